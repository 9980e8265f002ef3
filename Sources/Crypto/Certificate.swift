internal import COpenSSL
public import Core

/// An X.509 certificate (RFC 5280), read once.
public struct Certificate: Sendable, Hashable {
  public let der: [UInt8]
  public let pem: String
  public let notBefore: Timestamp
  public let notAfter: Timestamp
  /// The serial number in upper-case hexadecimal, as OpenSSL prints it.
  public let serial: String
  /// SubjectPublicKeyInfo in DER.
  public let spki: [UInt8]
  /// Of the subject alternative names; nil when there is no URI of ours, or several.
  public let identity: PeerIdentity?

  /// The first certificate of a PEM text.
  public init(pem: String) throws(CryptoError) {
    guard let certificate = PEM.read(pem, { PEM_read_bio_X509($0, nil, nil, nil) }) else {
      throw CryptoError(openSSL: "reading a certificate (PEM)")
    }
    defer { X509_free(certificate) }
    try self.init(pointer: certificate)
  }

  public init(der: [UInt8]) throws(CryptoError) {
    let certificate = der.withUnsafeBufferPointer { buffer in
      var cursor = buffer.baseAddress
      return d2i_X509(nil, &cursor, buffer.count)
    }
    guard let certificate else { throw CryptoError(openSSL: "reading a certificate (DER)") }
    defer { X509_free(certificate) }
    try self.init(pointer: certificate)
  }

  /// Every certificate of a PEM text, at most 16, in order. Throws when there is none.
  public static func chain(pem: String) throws(CryptoError) -> [Certificate] {
    let pointers = PEM.read(pem) { bio -> [OpaquePointer]? in
      var found: [OpaquePointer] = []
      while found.count < 16, let next = PEM_read_bio_X509(bio, nil, nil, nil) { found.append(next) }
      ERR_clear_error()
      return found
    }
    guard let pointers, !pointers.isEmpty else {
      throw CryptoError("reading certificates (PEM)", reason: "no BEGIN CERTIFICATE block could be read")
    }
    defer { for pointer in pointers { X509_free(pointer) } }
    var chain: [Certificate] = []
    for pointer in pointers { chain.append(try Certificate(pointer: pointer)) }
    return chain
  }

  init(pointer: OpaquePointer) throws(CryptoError) {
    der = try PEM.der("encoding a certificate") { i2d_X509(pointer, $0) }
    pem = try PEM.write("writing a certificate") { PEM_write_bio_X509($0, pointer) }
    let (start, end) = (artstore_seconds(X509_get0_notBefore(pointer)), artstore_seconds(X509_get0_notAfter(pointer)))
    guard start != .min, end != .min else {
      throw CryptoError("reading a certificate", reason: "its validity cannot be read")
    }
    notBefore = Timestamp(seconds: start)
    notAfter = Timestamp(seconds: end)
    spki = try PEM.der("encoding a public key") { i2d_X509_PUBKEY(X509_get_X509_PUBKEY(pointer), $0) }
    serial = try Self.serial(pointer)
    var uri = [CChar](repeating: 0, count: 256)
    let found = artstore_san_uri(pointer, &uri, uri.count)
    identity =
      found == 1 ? PeerIdentity(uri: String(decoding: uri.prefix { $0 != 0 }.map(UInt8.init), as: UTF8.self)) : nil
  }

  public var publicKey: PublicKey { get throws(CryptoError) { try PublicKey(spki: spki) } }

  /// SHA-256 of the SPKI: what is pinned.
  public var spkiHash: Checksum { SHA256.digest(spki) }

  public func isValid(at time: Timestamp) -> Bool { notBefore <= time && time < notAfter }

  /// Whether `issuer`'s key signed this certificate.
  public func isSigned(by issuer: Certificate) throws(CryptoError) -> Bool {
    let key = try issuer.publicKey
    let pointer = der.withUnsafeBufferPointer { buffer in
      var cursor = buffer.baseAddress
      return d2i_X509(nil, &cursor, buffer.count)
    }
    guard let pointer else { throw CryptoError(openSSL: "reading a certificate (DER)") }
    defer {
      X509_free(pointer)
      ERR_clear_error()
    }
    return X509_verify(pointer, key.handle.pointer) == 1
  }

  private static func serial(_ pointer: OpaquePointer) throws(CryptoError) -> String {
    guard let number = ASN1_INTEGER_to_BN(X509_get_serialNumber(pointer), nil) else {
      throw CryptoError(openSSL: "reading a certificate's serial number")
    }
    defer { BN_free(number) }
    guard let text = BN_bn2hex(number) else { throw CryptoError(openSSL: "reading a certificate's serial number") }
    defer { CRYPTO_free(text, nil, 0) }
    return String(cString: text)
  }
}
