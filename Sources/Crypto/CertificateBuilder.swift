internal import COpenSSL
public import Core

/// What goes into a certificate that we sign.
struct CertificateBuilder {
  var subject: String
  var key: PublicKey
  var validity: Duration
  var isAuthority = false
  var identity: PeerIdentity?
  var usage: CertificateUsage?
  var hosts: [String] = []

  /// Signs with `issuerKey`; without `issuer` it is self-signed. Backdated by an hour, because clocks differ.
  func sign(
    issuer: Certificate?, issuerKey: PrivateKey, time: any TimeSource, random: any RandomSource
  ) throws(CryptoError) -> Certificate {
    guard let pointer = X509_new() else { throw CryptoError(openSSL: "making a certificate") }
    defer { X509_free(pointer) }
    var parent: OpaquePointer?
    if let issuer {
      parent = try Certificate.parse(issuer.der)
    }
    defer { X509_free(parent) }
    try fill(pointer, parent: parent, issuer: issuer, time: time, random: random)
    try addExtensions(pointer, issuer: issuer)
    guard X509_sign(pointer, issuerKey.handle.pointer, EVP_sha256()) > 0 else {
      throw CryptoError(openSSL: "signing a certificate")
    }
    return try Certificate(pointer: pointer)
  }

  private func fill(
    _ pointer: OpaquePointer, parent: OpaquePointer?, issuer: Certificate?, time: any TimeSource,
    random: any RandomSource
  ) throws(CryptoError) {
    let now = time.now()
    if let issuer, !issuer.isValid(at: now) {
      throw CryptoError(
        "signing a certificate", reason: "the authority is good from \(issuer.notBefore) to \(issuer.notAfter)")
    }
    // A leaf that outlives its authority would only fail later and less clearly.
    let start = max(now - .seconds(3600), issuer?.notBefore ?? now - .seconds(3600))
    let end = min(now + validity, issuer?.notAfter ?? now + validity)
    // 127 random bits, not zero: a positive number of at most 16 bytes (RFC 5280 §4.1.2.2).
    var serial = random.bytes(16)
    serial[0] = serial[0] & 0x7F | 0x40
    let number = BN_bin2bn(serial, 16, nil)
    defer { BN_free(number) }
    let name = X509_get_subject_name(pointer)
    let text = Array(subject.utf8)
    guard X509_set_version(pointer, 2) == 1,
      BN_to_ASN1_INTEGER(number, X509_get_serialNumber(pointer)) != nil,
      ASN1_TIME_set(X509_getm_notBefore(pointer), Int(start.seconds)) != nil,
      ASN1_TIME_set(X509_getm_notAfter(pointer), Int(end.seconds)) != nil,
      artstore_add_common_name(name, text, Int32(text.count)) == 1,
      X509_set_issuer_name(pointer, parent.map { X509_get_subject_name($0) } ?? name) == 1,
      X509_set_pubkey(pointer, key.handle.pointer) == 1
    else { throw CryptoError(openSSL: "making a certificate for \(subject)") }
  }

  private func addExtensions(_ pointer: OpaquePointer, issuer: Certificate?) throws(CryptoError) {
    let ownID = Self.keyID(key.spkiHash)
    // basicConstraints: an authority signs leaves only (pathlen 0).
    let constraints =
      isAuthority ? DER.sequence(DER.value(DER.boolean, [0xFF]), DER.value(DER.integer, [0])) : DER.sequence()
    // keyUsage, named bits from the left: digitalSignature 0; keyCertSign 5, cRLSign 6.
    let keyUsage = DER.value(DER.bitString, isAuthority ? [1, 0x06] : [7, 0x80])
    try Self.add(pointer, NID_basic_constraints, isCritical: true, constraints)
    try Self.add(pointer, NID_key_usage, isCritical: true, keyUsage)
    try Self.add(pointer, NID_subject_key_identifier, isCritical: false, DER.value(DER.octetString, ownID))
    let issuerID = issuer.map { $0.keyID ?? Self.keyID($0.spkiHash) } ?? ownID
    try Self.add(pointer, NID_authority_key_identifier, isCritical: false, DER.sequence(DER.value(0x80, issuerID)))
    if let usage {
      let purposes = usage.purposes.map { DER.value(DER.objectIdentifier, $0) }
      try Self.add(
        pointer, NID_ext_key_usage, isCritical: false, DER.value(DER.sequence, purposes.flatMap { $0 }))
    }
    let names = try SubjectAlternativeName(identity: identity, hosts: hosts)
    if !names.isEmpty { try Self.add(pointer, NID_subject_alt_name, isCritical: false, names.der) }
  }

  private static func add(
    _ pointer: OpaquePointer, _ kind: Int32, isCritical: Bool, _ der: [UInt8]
  ) throws(CryptoError) {
    guard let value = ASN1_OCTET_STRING_new() else { throw CryptoError(openSSL: "adding to a certificate") }
    defer { ASN1_OCTET_STRING_free(value) }
    guard ASN1_OCTET_STRING_set(value, der, Int32(der.count)) == 1,
      let item = X509_EXTENSION_create_by_NID(nil, kind, isCritical ? 1 : 0, value)
    else { throw CryptoError(openSSL: "adding to a certificate") }
    defer { X509_EXTENSION_free(item) }
    guard X509_add_ext(pointer, item, -1) == 1 else { throw CryptoError(openSSL: "adding to a certificate") }
  }

  /// The head of the key's SHA-256: short and unique (RFC 7093 §2).
  private static func keyID(_ hash: Checksum) -> [UInt8] { Array(hash.bytes.prefix(20)) }
}

/// What a certificate's key may be used for in TLS (RFC 5280 §4.2.1.12).
public enum CertificateUsage: String, Sendable, Hashable {
  case server = "serverAuth"
  case client = "clientAuth"
  case both = "serverAuth,clientAuth"

  /// id-kp-serverAuth and id-kp-clientAuth, encoded: 1.3.6.1.5.5.7.3.1 and .2.
  var purposes: [[UInt8]] {
    let server: [UInt8] = [0x2B, 6, 1, 5, 5, 7, 3, 1]
    let client: [UInt8] = [0x2B, 6, 1, 5, 5, 7, 3, 2]
    return switch self {
    case .server: [server]
    case .client: [client]
    case .both: [server, client]
    }
  }
}

extension Certificate {
  /// A certificate that only its key vouches for: what an appliance shows until it is claimed.
  public static func selfSigned(
    key: PrivateKey, identity: PeerIdentity, hosts: [String] = [], validity: Duration, time: any TimeSource,
    random: any RandomSource
  ) throws(CryptoError) -> Certificate {
    let builder = CertificateBuilder(
      subject: identity.name, key: key.publicKey, validity: validity, identity: identity, usage: .server, hosts: hosts)
    return try builder.sign(issuer: nil, issuerKey: key, time: time, random: random)
  }
}
