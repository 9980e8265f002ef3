internal import COpenSSL

/// An RSA or P-256 private key. Signs with SHA-256: RSASSA-PKCS1-v1_5 (RS256) or ECDSA in DER.
public final class PrivateKey: Sendable {
  let handle: KeyHandle
  public let publicKey: PublicKey

  init(_ handle: KeyHandle) throws(CryptoError) {
    self.handle = handle
    let key = handle.pointer
    publicKey = try PublicKey(
      spki: try PEM.der("encoding a public key") { i2d_PUBKEY(key, $0) })
  }

  /// A fresh RSA key; `bits` is 2048 to 8192.
  public static func rsa(bits: Int = 2048) throws(CryptoError) -> PrivateKey {
    precondition((2048...8192).contains(bits))
    guard let key = artstore_rsa_generate(bits) else { throw CryptoError(openSSL: "generating an RSA key") }
    return try PrivateKey(KeyHandle(key))
  }

  /// A fresh key on the curve P-256.
  public static func p256() throws(CryptoError) -> PrivateKey {
    guard let key = artstore_p256_generate() else { throw CryptoError(openSSL: "generating a P-256 key") }
    return try PrivateKey(KeyHandle(key))
  }

  /// From PEM (PKCS #8 or the older forms), not encrypted.
  public convenience init(pem: String) throws(CryptoError) {
    // Without a callback OpenSSL would ask the terminal for a password.
    guard let key = PEM.read(pem, { PEM_read_bio_PrivateKey($0, nil, { _, _, _, _ in -1 }, nil) }) else {
      throw CryptoError(openSSL: "reading a private key (PEM, not encrypted)")
    }
    try self.init(KeyHandle(key))
  }

  /// PKCS #8 in PEM, not encrypted: keep it in files of mode 0600 or seal it.
  public var pem: String {
    get throws(CryptoError) {
      try PEM.write("writing a private key") {
        PEM_write_bio_PrivateKey($0, handle.pointer, nil, nil, 0, nil, nil)
      }
    }
  }

  public func sign(_ message: [UInt8]) throws(CryptoError) -> [UInt8] {
    guard let context = EVP_MD_CTX_new() else { throw CryptoError(openSSL: "signing") }
    defer { EVP_MD_CTX_free(context) }
    var count = 0
    guard EVP_DigestSignInit(context, nil, EVP_sha256(), nil, handle.pointer) == 1,
      EVP_DigestSign(context, nil, &count, message, message.count) == 1
    else { throw CryptoError(openSSL: "signing") }
    var out = [UInt8](repeating: 0, count: count)
    guard EVP_DigestSign(context, &out, &count, message, message.count) == 1 else {
      throw CryptoError(openSSL: "signing")
    }
    return Array(out.prefix(count))
  }
}
