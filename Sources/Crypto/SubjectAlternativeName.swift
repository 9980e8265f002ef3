/// The subjectAltName extension (RFC 5280 §4.2.1.6): DNS names, IP addresses and URIs; other kinds are skipped.
struct SubjectAlternativeName: Hashable, Sendable {
  var dnsNames: [String] = []
  /// 4 or 16 bytes each.
  var addresses: [[UInt8]] = []
  var uris: [String] = []

  private static let dnsTag: UInt8 = 0x82
  private static let uriTag: UInt8 = 0x86
  private static let addressTag: UInt8 = 0x87

  init() {}

  /// Of `hosts`, each a DNS name, an IPv4 or an IPv6 address (no brackets, no port).
  init(identity: PeerIdentity?, hosts: [String]) throws(CryptoError) {
    if let identity { uris = [identity.uri] }
    for host in hosts {
      if let address = IPAddress.bytes(host) {
        addresses.append(address)
      } else if Self.isDNSName(host) {
        dnsNames.append(host.lowercased())
      } else {
        throw CryptoError(
          "naming a host in a certificate", reason: "'\(host.prefix(80))' is neither a DNS name nor an IP address")
      }
    }
  }

  init?(der: some Collection<UInt8>) {
    var outer = DERReader(der)
    guard let content = outer.next(DER.sequence), outer.isAtEnd else { return nil }
    var names = DERReader(content)
    while !names.isAtEnd {
      guard let name = names.next() else { return nil }
      switch name.tag {
      case Self.dnsTag, Self.uriTag:
        // IA5: anything else (a NUL above all) could be read as another name elsewhere.
        guard name.content.allSatisfy({ (0x21...0x7E).contains($0) }) else { return nil }
        let text = String(decoding: name.content, as: UTF8.self)
        if name.tag == Self.dnsTag { dnsNames.append(text) } else { uris.append(text) }
      case Self.addressTag:
        guard name.content.count == 4 || name.content.count == 16 else { return nil }
        addresses.append(Array(name.content))
      default: continue
      }
    }
  }

  /// DNS names and addresses as text.
  var hosts: [String] { dnsNames + addresses.map(IPAddress.text) }

  var isEmpty: Bool { dnsNames.isEmpty && addresses.isEmpty && uris.isEmpty }

  var der: [UInt8] {
    var names: [UInt8] = []
    for name in dnsNames { names += DER.value(Self.dnsTag, Array(name.utf8)) }
    for address in addresses { names += DER.value(Self.addressTag, address) }
    for uri in uris { names += DER.value(Self.uriTag, Array(uri.utf8)) }
    return DER.value(DER.sequence, names)
  }

  /// The one identity of the product named here; nil when there is none or more than one.
  var identity: PeerIdentity? {
    let ours = uris.filter { $0.hasPrefix("artstore:") }
    return ours.count == 1 ? PeerIdentity(uri: ours[0]) : nil
  }

  /// Letters, digits and hyphens in labels of at most 63 (RFC 1123 §2.1); `*` alone may be the first label.
  static func isDNSName(_ name: String) -> Bool {
    var labels = name.split(separator: ".", omittingEmptySubsequences: false)[...]
    guard (1...253).contains(name.utf8.count) else { return false }
    if labels.first == "*", labels.count > 2 { labels = labels.dropFirst() }
    return labels.allSatisfy { label in
      (1...63).contains(label.utf8.count) && label.first != "-" && label.last != "-"
        && label.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-" || $0 == "_") }
    }
  }
}
