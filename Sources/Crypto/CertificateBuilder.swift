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

  /// Signs with `issuerKey`; without `issuer` the certificate is self-signed. Backdated by an hour, because clocks differ.
  func sign(
    issuer: Certificate?, issuerKey: PrivateKey, time: any TimeSource, random: any RandomSource
  ) throws(CryptoError) -> Certificate {
    guard let pointer = X509_new() else { throw CryptoError(openSSL: "making a certificate") }
    defer { X509_free(pointer) }
    var parent: OpaquePointer?
    if let issuer {
      parent = issuer.der.withUnsafeBufferPointer { buffer in
        var cursor = buffer.baseAddress
        return d2i_X509(nil, &cursor, buffer.count)
      }
      guard parent != nil else { throw CryptoError(openSSL: "reading the issuer's certificate") }
    }
    defer { X509_free(parent) }
    try fill(pointer, parent: parent, time: time, random: random)
    for (kind, value) in try extensions() {
      guard artstore_add_extension(pointer, parent ?? pointer, kind, value) == 1 else {
        throw CryptoError(openSSL: "adding to a certificate: \(value)")
      }
    }
    guard X509_sign(pointer, issuerKey.handle.pointer, EVP_sha256()) > 0 else {
      throw CryptoError(openSSL: "signing a certificate")
    }
    return try Certificate(pointer: pointer)
  }

  private func fill(
    _ pointer: OpaquePointer, parent: OpaquePointer?, time: any TimeSource, random: any RandomSource
  ) throws(CryptoError) {
    let now = time.now()
    // 127 random bits, not zero: a positive number of at most 16 bytes (RFC 5280 §4.1.2.2).
    var serial = random.bytes(16)
    serial[0] = serial[0] & 0x7F | 0x40
    let number = BN_bin2bn(serial, 16, nil)
    defer { BN_free(number) }
    let name = X509_get_subject_name(pointer)
    let text = Array(subject.utf8)
    guard X509_set_version(pointer, 2) == 1,
      BN_to_ASN1_INTEGER(number, X509_get_serialNumber(pointer)) != nil,
      ASN1_TIME_set(X509_getm_notBefore(pointer), Int((now - .seconds(3600)).seconds)) != nil,
      ASN1_TIME_set(X509_getm_notAfter(pointer), Int((now + validity).seconds)) != nil,
      artstore_add_common_name(name, text, Int32(text.count)) == 1,
      X509_set_issuer_name(pointer, parent.map { X509_get_subject_name($0) } ?? name) == 1,
      X509_set_pubkey(pointer, key.handle.pointer) == 1
    else { throw CryptoError(openSSL: "making a certificate for \(subject)") }
  }

  private func extensions() throws(CryptoError) -> [(Int32, String)] {
    var list: [(Int32, String)] = [(NID_subject_key_identifier, "hash")]
    if isAuthority {
      list.append((NID_basic_constraints, "critical,CA:TRUE,pathlen:0"))
      list.append((NID_key_usage, "critical,keyCertSign,cRLSign"))
    } else {
      list.append((NID_basic_constraints, "critical,CA:FALSE"))
      list.append((NID_key_usage, "critical,digitalSignature"))
    }
    if let usage { list.append((NID_ext_key_usage, usage.rawValue)) }
    var names = identity.map { ["URI:\($0.uri)"] } ?? []
    for host in hosts {
      // The names go through OpenSSL's configuration syntax: nothing that could end a name may pass.
      guard !host.isEmpty, host.utf8.allSatisfy({ Self.isHostByte($0) }) else {
        throw CryptoError("making a certificate", reason: "\(host.prefix(80)) is neither a host name nor an IP address")
      }
      names.append(Self.isAddress(host) ? "IP:\(host)" : "DNS:\(host)")
    }
    if !names.isEmpty { list.append((NID_subject_alt_name, names.joined(separator: ","))) }
    return list
  }

  private static func isHostByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: ":"):
      true
    default: false
    }
  }

  private static func isAddress(_ host: String) -> Bool {
    host.utf8.contains(UInt8(ascii: ":")) || host.utf8.allSatisfy { $0 == UInt8(ascii: ".") || $0 < 0x3A && $0 > 0x2F }
  }
}

/// What a certificate's key may be used for in TLS (RFC 5280 §4.2.1.12).
public enum CertificateUsage: String, Sendable, Hashable {
  case server = "serverAuth"
  case client = "clientAuth"
  case both = "serverAuth,clientAuth"
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
