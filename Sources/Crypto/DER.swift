/// DER (X.690 §10): just what extensions and keys need. Written and read in Swift, so that hostile bytes meet
/// bounds checks.
enum DER {
  static let boolean: UInt8 = 0x01
  static let integer: UInt8 = 0x02
  static let bitString: UInt8 = 0x03
  static let octetString: UInt8 = 0x04
  static let null: UInt8 = 0x05
  static let objectIdentifier: UInt8 = 0x06
  static let sequence: UInt8 = 0x30

  /// One value: tag, length, content.
  static func value(_ tag: UInt8, _ content: [UInt8]) -> [UInt8] {
    if content.count < 128 { return [tag, UInt8(content.count)] + content }
    var length: [UInt8] = []
    var rest = content.count
    while rest > 0 {
      length.insert(UInt8(truncatingIfNeeded: rest), at: 0)
      rest >>= 8
    }
    return [tag, 0x80 | UInt8(length.count)] + length + content
  }

  static func sequence(_ members: [UInt8]...) -> [UInt8] { value(sequence, members.flatMap { $0 }) }

  /// A non-negative integer from its big-endian magnitude.
  static func unsigned(_ magnitude: [UInt8]) -> [UInt8] {
    var digits = Array(magnitude.drop { $0 == 0 })
    if digits.isEmpty || digits[0] >= 0x80 { digits.insert(0, at: 0) }
    return value(integer, digits)
  }
}

/// Reads one level of DER values; nil at the end and for anything that is not strict DER of definite length.
struct DERReader {
  private var rest: ArraySlice<UInt8>

  init(_ bytes: some Collection<UInt8>) { rest = ArraySlice(bytes) }

  var isAtEnd: Bool { rest.isEmpty }

  mutating func next() -> (tag: UInt8, content: ArraySlice<UInt8>)? {
    guard let tag = rest.popFirst(), tag & 0x1F != 0x1F, let first = rest.popFirst() else { return nil }
    var count = Int(first)
    if first >= 0x80 {
      let width = Int(first & 0x7F)
      guard (1...3).contains(width), rest.count >= width, let lead = rest.first, lead != 0 else { return nil }
      count = rest.prefix(width).reduce(0) { $0 << 8 | Int($1) }
      guard count >= 128 else { return nil }
      rest = rest.dropFirst(width)
    }
    guard rest.count >= count else { return nil }
    defer { rest = rest.dropFirst(count) }
    return (tag, rest.prefix(count))
  }

  /// The next value's content if it has this tag.
  mutating func next(_ tag: UInt8) -> ArraySlice<UInt8>? {
    guard let value = next(), value.tag == tag else { return nil }
    return value.content
  }
}
