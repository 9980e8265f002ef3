internal import Core

/// An address inside the console. Made of literals of our own source; whatever is put into it is percent-encoded, so
/// that no value from outside can become another path, another host or a `javascript:` address.
struct Link: Sendable, Hashable, ExpressibleByStringInterpolation {
  let text: String

  init(stringLiteral text: StringLiteralType) { self.text = text }

  init(stringInterpolation: StringInterpolation) { text = stringInterpolation.text }

  /// The path with those items that have a value, in order.
  func query(_ items: [(name: String, value: String?)]) -> Link {
    let pairs = items.compactMap { item in
      item.value.map { Link.encode(item.name) + "=" + Link.encode($0) }
    }
    guard !pairs.isEmpty else { return self }
    return Link(encoded: text + (text.utf8.contains(UInt8(ascii: "?")) ? "&" : "?") + pairs.joined(separator: "&"))
  }

  /// A place inside this console that a client named (where to go after signing in); nil for anything that could lead
  /// elsewhere: another host, a scheme, a backslash, control characters.
  init?(local text: String) {
    let bytes = Array(text.utf8)
    guard bytes.count <= 2000, bytes.first == UInt8(ascii: "/"), bytes.dropFirst().first != UInt8(ascii: "/"),
      bytes.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\\") && $0 != UInt8(ascii: "\"") })
    else { return nil }
    self.text = text
  }

  private init(encoded: String) { text = encoded }

  /// A link with a fragment of our own source.
  init(joining link: Link, _ mark: StaticString, _ fragment: String) {
    text = link.text + mark.description + Link.encode(fragment)
  }

  struct StringInterpolation: StringInterpolationProtocol {
    fileprivate var text = ""

    init(literalCapacity: Int, interpolationCount: Int) { text.reserveCapacity(literalCapacity + 36) }

    mutating func appendLiteral(_ literal: String) { text += literal }
    mutating func appendInterpolation(_ value: String) { text += Link.encode(value) }
    mutating func appendInterpolation(_ value: FileID) { text += value.description }
    mutating func appendInterpolation(_ value: Int) { text += String(value) }
  }

  /// Percent-encoding of everything but the unreserved characters (RFC 3986 §2.3).
  static func encode(_ value: String) -> String {
    var out: [UInt8] = []
    out.reserveCapacity(value.utf8.count)
    for byte in value.utf8 {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
        UInt8(ascii: "~"):
        out.append(byte)
      default:
        out += [UInt8(ascii: "%"), upperHex[Int(byte >> 4)], upperHex[Int(byte & 15)]]
      }
    }
    return String(decoding: out, as: UTF8.self)
  }

  private static let upperHex = Array("0123456789ABCDEF".utf8)
}
