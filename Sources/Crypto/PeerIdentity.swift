/// What a certificate may stand for inside a fleet.
public enum PeerRole: String, Sendable, Hashable, Codable, CaseIterable {
  case appliance, admin, ingester, query, console, client
}

/// Who a peer is: the only URI among its certificate's subject alternative names, `artstore://<role>/<name>`.
public struct PeerIdentity: Sendable, Hashable, CustomStringConvertible {
  public let role: PeerRole
  /// 1–64 (a common name's bound) of the letters `A–Z a–z 0–9 . _ -`.
  public let name: String

  /// Nil for a name that the URI cannot carry.
  public init?(role: PeerRole, name: String) {
    guard Self.isName(name) else { return nil }
    self.role = role
    self.name = name
  }

  public init?(uri: String) {
    let scheme = "artstore://"
    guard uri.hasPrefix(scheme) else { return nil }
    let parts = uri.dropFirst(scheme.count).split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2, let role = PeerRole(rawValue: String(parts[0])) else { return nil }
    self.init(role: role, name: String(parts[1]))
  }

  public var uri: String { "artstore://\(role.rawValue)/\(name)" }

  public var description: String { uri }

  private static func isName(_ name: String) -> Bool {
    (1...64).contains(name.utf8.count)
      && name.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
          true
        default: false
        }
      }
  }
}
