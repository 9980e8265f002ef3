internal import COpenSSL
public import Core

/// An RSA or P-256 public key.
public final class PublicKey: Sendable {
  let handle: KeyHandle
  /// SubjectPublicKeyInfo in DER (RFC 5280 §4.1.2.7).
  public let spki: [UInt8]

  /// At most this many bytes are parsed: 8192 bits of RSA take 1.1 KiB.
  private static let bytesMax = 2048

  /// Throws for other kinds of keys, for RSA below 2048 or above 8192 bits, and for any but the canonical encoding, so
  /// that one key has one hash.
  public init(spki: [UInt8]) throws(CryptoError) {
    guard spki.count <= Self.bytesMax else {
      throw CryptoError("reading a public key", reason: "more than \(Self.bytesMax) bytes")
    }
    let key = spki.withUnsafeBufferPointer { buffer in
      var cursor = buffer.baseAddress
      return d2i_PUBKEY(nil, &cursor, buffer.count)
    }
    guard let key else { throw CryptoError(openSSL: "reading a public key (SPKI, DER)") }
    handle = KeyHandle(key)
    guard try PEM.der("encoding a public key", { i2d_PUBKEY(key, $0) }) == spki else {
      throw CryptoError("reading a public key", reason: "it is not in its canonical encoding")
    }
    try Self.checkKind(key)
    self.spki = spki
  }

  /// From the big-endian numbers of an RSA key (RFC 7518 §6.3.1). Moduli below 2048 bits are refused.
  public init(rsaModulus modulus: [UInt8], exponent: [UInt8]) throws(CryptoError) {
    guard (256...1024).contains(modulus.count), (1...8).contains(exponent.count),
      let key = artstore_rsa_public(modulus, Int32(modulus.count), exponent, Int32(exponent.count))
    else {
      ERR_clear_error()
      throw CryptoError("making an RSA public key", reason: "modulus of 2048 to 8192 bits and exponent do not make one")
    }
    handle = KeyHandle(key)
    try Self.checkKind(key)
    spki = try PEM.der("encoding a public key") { i2d_PUBKEY(key, $0) }
  }

  /// SHA-256 of the SPKI: what is pinned.
  public var spkiHash: Checksum { SHA256.digest(spki) }

  /// Modulus and exponent, big-endian; nil for keys that are not RSA.
  public var rsaComponents: (modulus: [UInt8], exponent: [UInt8])? {
    guard EVP_PKEY_is_a(handle.pointer, "RSA") == 1, let modulus = number("n"), let exponent = number("e") else {
      return nil
    }
    return (modulus, exponent)
  }

  /// Whether the private key's owner signed `message` (SHA-256; PKCS #1 v1.5 for RSA, DER for P-256).
  public func verify(signature: [UInt8], of message: [UInt8]) -> Bool {
    guard let context = EVP_MD_CTX_new() else { return false }
    defer { EVP_MD_CTX_free(context) }
    let isGood =
      EVP_DigestVerifyInit(context, nil, EVP_sha256(), nil, handle.pointer) == 1
      && EVP_DigestVerify(context, signature, signature.count, message, message.count) == 1
    if !isGood { ERR_clear_error() }
    return isGood
  }

  private static func checkKind(_ key: OpaquePointer) throws(CryptoError) {
    defer { ERR_clear_error() }
    if EVP_PKEY_is_a(key, "RSA") == 1 {
      guard (2048...8192).contains(EVP_PKEY_get_bits(key)) else {
        throw CryptoError("reading a public key", reason: "an RSA key must have 2048 to 8192 bits")
      }
      return
    }
    var group = [CChar](repeating: 0, count: 64)
    var count = 0
    guard EVP_PKEY_is_a(key, "EC") == 1, EVP_PKEY_get_group_name(key, &group, group.count, &count) == 1,
      group.prefix(count).elementsEqual("prime256v1".utf8.map { CChar(bitPattern: $0) })
    else { throw CryptoError("reading a public key", reason: "only RSA and P-256 keys are used here") }
  }

  private func number(_ name: String) -> [UInt8]? {
    var out = [UInt8](repeating: 0, count: 1024)
    let count = artstore_key_number(handle.pointer, name, &out, 1024)
    return count < 0 ? nil : Array(out.prefix(Int(count)))
  }
}

extension PublicKey: Hashable {
  public static func == (a: PublicKey, b: PublicKey) -> Bool { a.spki == b.spki }

  public func hash(into hasher: inout Hasher) { hasher.combine(spki) }
}
