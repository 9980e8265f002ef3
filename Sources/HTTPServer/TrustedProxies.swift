internal import HTTP
internal import Reactor

/// Whom a server believes when it says for whom it asks: gateways and load balancers, by their addresses. Everybody
/// else could write anything into `X-Forwarded-For`, and is taken for the one who asks.
public struct TrustedProxies: Sendable {
  /// `10.0.0.0/8`, `2001:db8::/32`, or one address.
  public struct Network: Sendable {
    private let high: UInt64
    private let low: UInt64
    private let maskHigh: UInt64
    private let maskLow: UInt64

    /// nil: neither an address nor an address, a slash and the count of its leading bits.
    public init?(_ text: String) {
      let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
      guard let address = SocketAddress(host: String(parts[0]), port: 0) else { return nil }
      let width = address.host.contains(":") ? 128 : 32
      guard let count = parts.count == 1 ? width : Int(parts[1]), (0...width).contains(count) else { return nil }
      let leading = count + 128 - width
      maskHigh = leading >= 64 ? .max : ~(UInt64.max >> UInt64(leading))
      maskLow = leading <= 64 ? 0 : ~(UInt64.max >> UInt64(leading - 64))
      (high, low) = (address.bits.high & maskHigh, address.bits.low & maskLow)
    }

    func contains(_ address: SocketAddress) -> Bool {
      let bits = address.bits
      return bits.high & maskHigh == high && bits.low & maskLow == low
    }
  }

  private let networks: [Network]
  private let ignored: @Sendable (_ peer: String) -> Void

  /// - Parameters:
  ///   - networks: none: nobody is believed.
  ///   - ignored: told each time that somebody who is not believed says for whom it asks.
  public init(_ networks: [Network], ignored: @escaping @Sendable (_ peer: String) -> Void) {
    self.networks = networks
    self.ignored = ignored
  }

  /// More hops than anybody has.
  private static let hopsMax = 16

  /// Who asks: read from the right, the first address in `X-Forwarded-For` that is none of ours. What stands left of it
  /// the client may have made up.
  func client(saying forwarded: String?, from peer: SocketAddress) -> String {
    guard let forwarded else { return peer.host }
    guard isTrusted(peer) else {
      ignored(peer.host)
      return peer.host
    }
    var client = peer
    for entry in forwarded.split(separator: ",").suffix(Self.hopsMax).reversed() {
      guard let address = Self.address(entry) else { break }
      client = address
      if !isTrusted(address) { break }
    }
    return client.host
  }

  private func isTrusted(_ address: SocketAddress) -> Bool { networks.contains { $0.contains(address) } }

  /// Bare, or with a port as some proxies write it.
  private static func address(_ entry: Substring) -> SocketAddress? {
    let text = String(entry.filter { $0 != " " && $0 != "\t" })
    return SocketAddress(host: text, port: 0) ?? SocketAddress.parse(text)
      ?? (text.hasPrefix("[") ? SocketAddress(host: String(text.dropFirst().prefix { $0 != "]" }), port: 0) : nil)
  }
}
