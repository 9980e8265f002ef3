internal import CLinux
internal import Glibc

/// An address and port of TCP over IPv4 or IPv6. Text form: `127.0.0.1:80`, `[::1]:80`.
public struct SocketAddress: Hashable, Sendable, CustomStringConvertible {
  /// Numeric, without brackets.
  public let host: String
  public let port: Int

  /// - Parameters:
  ///   - host: a numeric IPv4 or IPv6 address; nothing is resolved.
  ///   - port: 0–65535; 0 lets the system choose when bound.
  public init?(host: String, port: Int) {
    guard (0...65_535).contains(port) else { return nil }
    self.host = host
    self.port = port
    guard withStorage({ _, _ in true }) != nil else { return nil }
  }

  public static func loopback(port: Int) -> SocketAddress {
    SocketAddress(uncheckedHost: "127.0.0.1", port: port)
  }

  private init(uncheckedHost host: String, port: Int) {
    self.host = host
    self.port = port
  }

  /// `host:port` with a numeric host, IPv6 in brackets; an empty host means every IPv4 address. nil for anything else.
  public static func parse(_ text: String) -> SocketAddress? {
    guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]) else { return nil }
    var host = String(text[..<colon])
    if host.hasPrefix("["), host.hasSuffix("]") {
      host = String(host.dropFirst().dropLast())
    } else if host.contains(":") {
      return nil
    }
    return SocketAddress(host: host.isEmpty ? "0.0.0.0" : host, port: port)
  }

  public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

  /// Whom a limit counts as one: the IPv4 address (also one mapped into IPv6), or the /64 of an IPv6 one, which is what
  /// a provider hands to one customer.
  public var network: UInt64 {
    let bits = bits
    return bits.high == 0 && bits.low >> 32 == 0xFFFF ? bits.low : bits.high
  }

  /// The 128 bits of the address as of IPv6; an IPv4 one is mapped (`::ffff:…`).
  public var bits: (high: UInt64, low: UInt64) {
    withStorage { storage, _ -> (high: UInt64, low: UInt64) in
      withUnsafeBytes(of: &storage) { raw in
        if raw.load(as: sockaddr.self).sa_family == sa_family_t(AF_INET) {
          return (0, 0xFFFF << 32 | UInt64(UInt32(bigEndian: raw.load(as: sockaddr_in.self).sin_addr.s_addr)))
        }
        var address = raw.load(as: sockaddr_in6.self).sin6_addr
        return withUnsafeBytes(of: &address) { bytes in
          (
            UInt64(bigEndian: bytes.load(as: UInt64.self)),
            UInt64(bigEndian: bytes.load(fromByteOffset: 8, as: UInt64.self))
          )
        }
      }
    } ?? (0, 0)
  }

  init(_ storage: sockaddr_storage) {
    var storage = storage
    var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
    let isV6 = storage.ss_family == sa_family_t(AF_INET6)
    port = withUnsafePointer(to: &storage) { pointer in
      let raw = UnsafeRawPointer(pointer)
      if isV6 {
        var address = raw.load(as: sockaddr_in6.self)
        inet_ntop(AF_INET6, &address.sin6_addr, &text, socklen_t(text.count))
        return Int(UInt16(bigEndian: address.sin6_port))
      }
      var address = raw.load(as: sockaddr_in.self)
      inet_ntop(AF_INET, &address.sin_addr, &text, socklen_t(text.count))
      return Int(UInt16(bigEndian: address.sin_port))
    }
    host = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// nil when the host is no numeric address.
  func withStorage<R>(_ body: (inout sockaddr_storage, inout socklen_t) -> R) -> R? {
    var storage = sockaddr_storage()
    var length = socklen_t(0)
    let isValid = withUnsafeMutableBytes(of: &storage) { raw -> Bool in
      var v4 = sockaddr_in()
      if inet_pton(AF_INET, host, &v4.sin_addr) == 1 {
        v4.sin_family = sa_family_t(AF_INET)
        v4.sin_port = UInt16(port).bigEndian
        raw.storeBytes(of: v4, as: sockaddr_in.self)
        length = socklen_t(MemoryLayout<sockaddr_in>.size)
        return true
      }
      var v6 = sockaddr_in6()
      guard inet_pton(AF_INET6, host, &v6.sin6_addr) == 1 else { return false }
      v6.sin6_family = sa_family_t(AF_INET6)
      v6.sin6_port = UInt16(port).bigEndian
      raw.storeBytes(of: v6, as: sockaddr_in6.self)
      length = socklen_t(MemoryLayout<sockaddr_in6>.size)
      return true
    }
    return isValid ? body(&storage, &length) : nil
  }
}
