internal import COpenSSL

/// A PKCS #10 request (RFC 2986): a public key with the proof that the asker holds its private key.
public struct CertificateRequest: Sendable {
  public let pem: String
  public let publicKey: PublicKey

  public static func make(key: PrivateKey, commonName: String) throws(CryptoError) -> CertificateRequest {
    guard let pointer = X509_REQ_new() else { throw CryptoError(openSSL: "making a certificate request") }
    defer { X509_REQ_free(pointer) }
    let text = Array(commonName.utf8)
    guard X509_REQ_set_version(pointer, 0) == 1,
      artstore_add_common_name(X509_REQ_get_subject_name(pointer), text, Int32(text.count)) == 1,
      X509_REQ_set_pubkey(pointer, key.handle.pointer) == 1,
      X509_REQ_sign(pointer, key.handle.pointer, EVP_sha256()) > 0
    else { throw CryptoError(openSSL: "making a certificate request for \(commonName)") }
    return try CertificateRequest(pem: try PEM.write("writing a request") { PEM_write_bio_X509_REQ($0, pointer) })
  }

  /// Throws when the text is no request, or its signature is not by its own key.
  public init(pem: String) throws(CryptoError) {
    guard let pointer = PEM.read(pem, { PEM_read_bio_X509_REQ($0, nil, nil, nil) }) else {
      throw CryptoError(openSSL: "reading a certificate request (PEM)")
    }
    defer { X509_REQ_free(pointer) }
    guard let key = X509_REQ_get0_pubkey(pointer), X509_REQ_verify(pointer, key) == 1 else {
      throw CryptoError(openSSL: "checking a certificate request's signature")
    }
    publicKey = try PublicKey(spki: try PEM.der("encoding a public key") { i2d_PUBKEY(key, $0) })
    self.pem = pem
  }
}
