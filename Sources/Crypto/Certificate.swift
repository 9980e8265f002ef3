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
  public private(set) var identity: PeerIdentity?
  /// DNS names and IP addresses among the subject alternative names.
  public let hosts: [String]
  /// Whether it may sign certificates (basicConstraints).
  public let isAuthority: Bool
  /// SubjectKeyIdentifier, which what it signs refers to.
  let keyID: [UInt8]?

  /// At most this many bytes are parsed; real certificates have 1–3 KiB.
  public static let bytesMax = 16_384
  /// At most this many certificates are read from one text.
  public static let chainCountMax = 16

  /// The first certificate of a PEM text.
  public init(pem: String) throws(CryptoError) {
    guard let certificate = PEM.read(pem, { PEM_read_bio_X509($0, nil, { _, _, _, _ in -1 }, nil) }) else {
      throw CryptoError(openSSL: "reading a certificate (PEM)")
    }
    defer { X509_free(certificate) }
    try self.init(pointer: certificate)
  }

  /// Throws for bytes that are malformed, too many, or more than the one certificate.
  public init(der: [UInt8]) throws(CryptoError) {
    let certificate = try Self.parse(der)
    defer { X509_free(certificate) }
    try self.init(pointer: certificate)
  }

  /// Every certificate of a PEM text, at most 16, in order. Throws when there is none, more, or a damaged one.
  public static func chain(pem: String) throws(CryptoError) -> [Certificate] {
    let pointers = PEM.read(pem) { bio -> [OpaquePointer]? in
      var found: [OpaquePointer] = []
      while found.count <= chainCountMax, let next = PEM_read_bio_X509(bio, nil, { _, _, _, _ in -1 }, nil) {
        found.append(next)
      }
      return found
    }
    // The reader stops at the end of the text with NO_START_LINE; anything else is a damaged block.
    let last = ERR_peek_last_error()
    let isDamaged = last != 0 && artstore_is_no_start_line(last) == 0
    guard let pointers, !pointers.isEmpty, !isDamaged, pointers.count <= chainCountMax else {
      for pointer in pointers ?? [] { X509_free(pointer) }
      ERR_clear_error()
      throw CryptoError(
        "reading certificates (PEM)", reason: "there must be 1 to \(chainCountMax) undamaged BEGIN CERTIFICATE blocks")
    }
    ERR_clear_error()
    defer { for pointer in pointers { X509_free(pointer) } }
    var chain: [Certificate] = []
    for pointer in pointers { chain.append(try Certificate(pointer: pointer)) }
    return chain
  }

  init(pointer: OpaquePointer) throws(CryptoError) {
    defer { ERR_clear_error() }
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
    let names = try Self.alternativeNames(pointer)
    identity = names.identity
    hosts = names.hosts
    isAuthority = X509_check_ca(pointer) == 1
    keyID = X509_get0_subject_key_id(pointer).map { id in
      Array(UnsafeBufferPointer(start: ASN1_STRING_get0_data(id), count: Int(ASN1_STRING_length(id))))
    }
  }

  /// The same certificate, speaking for nobody: when only its key may count.
  public var withoutIdentity: Certificate {
    var copy = self
    copy.identity = nil
    return copy
  }

  public var publicKey: PublicKey { get throws(CryptoError) { try PublicKey(spki: spki) } }

  /// SHA-256 of the SPKI: what is pinned.
  public var spkiHash: Checksum { SHA256.digest(spki) }

  public func isValid(at time: Timestamp) -> Bool { notBefore <= time && time < notAfter }

  /// Whether `issuer` signed this certificate, is named in it, and may sign. Dates are the caller's matter.
  public func isSigned(by issuer: Certificate) throws(CryptoError) -> Bool {
    let key = try issuer.publicKey
    let mine = try Self.parse(der)
    defer { X509_free(mine) }
    let theirs = try Self.parse(issuer.der)
    defer {
      X509_free(theirs)
      ERR_clear_error()
    }
    return issuer.isAuthority && X509_check_issued(theirs, mine) == X509_V_OK
      && X509_verify(mine, key.handle.pointer) == 1
  }
}

extension Certificate {
  /// The caller frees the result.
  static func parse(_ der: [UInt8]) throws(CryptoError) -> OpaquePointer {
    guard der.count <= bytesMax else {
      throw CryptoError("reading a certificate (DER)", reason: "more than \(bytesMax) bytes")
    }
    let (pointer, isWhole) = der.withUnsafeBufferPointer { buffer in
      var cursor = buffer.baseAddress
      let pointer = d2i_X509(nil, &cursor, buffer.count)
      return (pointer, cursor == buffer.baseAddress.map { $0 + buffer.count })
    }
    guard let pointer else { throw CryptoError(openSSL: "reading a certificate (DER)") }
    guard isWhole else {
      X509_free(pointer)
      throw CryptoError("reading a certificate (DER)", reason: "bytes follow it")
    }
    return pointer
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

  /// Read in Swift from the extension's bytes: they may come from anybody.
  private static func alternativeNames(_ pointer: OpaquePointer) throws(CryptoError) -> SubjectAlternativeName {
    let index = X509_get_ext_by_NID(pointer, NID_subject_alt_name, -1)
    guard index >= 0 else { return SubjectAlternativeName() }
    guard X509_get_ext_by_NID(pointer, NID_subject_alt_name, index) < 0,
      let value = X509_EXTENSION_get_data(X509_get_ext(pointer, index)),
      let names = SubjectAlternativeName(
        der: Array(UnsafeBufferPointer(start: ASN1_STRING_get0_data(value), count: Int(ASN1_STRING_length(value)))))
    else { throw CryptoError("reading a certificate", reason: "its subjectAltName is malformed") }
    return names
  }
}
