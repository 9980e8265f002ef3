/// An entity tag (RFC 9110 §8.8.3).
public struct EntityTag: Hashable, Sendable, CustomStringConvertible {
  /// Without the quotes.
  public let opaque: String
  public let isWeak: Bool

  /// A strong tag; `opaque` must hold only `etagc` characters (a checksum does).
  public init(_ opaque: String, isWeak: Bool = false) {
    self.opaque = opaque
    self.isWeak = isWeak
  }

  /// From its text, `"abc"` or `W/"abc"`; nil when it is neither.
  public init?(parsing text: some StringProtocol) {
    let isWeak = text.hasPrefix("W/")
    let bytes = Array(text.utf8)[(isWeak ? 2 : 0)...]
    guard bytes.count >= 2, bytes.first == UInt8(ascii: "\""), bytes.last == UInt8(ascii: "\"") else { return nil }
    let inner = bytes.dropFirst().dropLast()
    guard inner.allSatisfy({ $0 == 0x21 || ($0 > 0x22 && $0 != 0x7F) }) else { return nil }
    self.init(String(decoding: inner, as: UTF8.self), isWeak: isWeak)
  }

  public var description: String { "\(isWeak ? "W/" : "")\"\(opaque)\"" }

  /// Strong comparison (RFC 9110 §8.8.3.2): both strong and the same.
  public func matchesStrongly(_ other: EntityTag) -> Bool { !isWeak && !other.isWeak && opaque == other.opaque }

  /// Weak comparison: the same but for weakness.
  public func matchesWeakly(_ other: EntityTag) -> Bool { opaque == other.opaque }

  /// What `If-Match` and `If-None-Match` carry.
  public enum List: Hashable, Sendable {
    case any
    case tags([EntityTag])

    /// Malformed members are dropped: they match nothing.
    public init(parsing text: some StringProtocol) {
      let text = text.trimmingOptionalWhitespace()
      if text == "*" {
        self = .any
        return
      }
      var tags: [EntityTag] = []
      var member: [UInt8] = []
      var quoted = false
      func end() {
        let trimmed = String(decoding: member, as: UTF8.self).trimmingOptionalWhitespace()
        if let tag = EntityTag(parsing: trimmed) { tags.append(tag) }
        member = []
      }
      for byte in text.utf8 {
        if byte == UInt8(ascii: "\"") { quoted.toggle() }
        if byte == UInt8(ascii: ","), !quoted { end() } else { member.append(byte) }
      }
      end()
      self = .tags(tags)
    }
  }
}
