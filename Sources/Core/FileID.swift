/// A document's id: a UUID (RFC 9562). Ordered as its bytes are, which is the order of its text and of PostgreSQL's
/// `uuid`.
public struct FileID: Hashable, Comparable, Sendable {
  /// Bytes 0–7, big-endian.
  public let high: UInt64
  /// Bytes 8–15, big-endian.
  public let low: UInt64

  public init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  /// A random (version 4) id.
  public static func random(_ source: some RandomSource) -> FileID {
    let bytes = source.bytes(16)
    let high = bytes[..<8].reduce(0) { $0 << 8 | UInt64($1) }
    let low = bytes[8...].reduce(0) { $0 << 8 | UInt64($1) }
    return FileID(high: high & ~0xF000 | 0x4000, low: low & ~0xC000_0000_0000_0000 | 0x8000_0000_0000_0000)
  }

  /// From its 16 bytes; nil for any other count.
  public init?(bytes: ArraySlice<UInt8>) {
    guard bytes.count == 16 else { return nil }
    high = bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
    low = bytes.suffix(8).reduce(0) { $0 << 8 | UInt64($1) }
  }

  public var bytes: [UInt8] {
    (0..<16).map { UInt8(truncatingIfNeeded: ($0 < 8 ? high : low) >> UInt64(56 - ($0 & 7) * 8)) }
  }

  public static func < (a: FileID, b: FileID) -> Bool { (a.high, a.low) < (b.high, b.low) }

  public static let lowest = FileID(high: 0, low: 0)
  public static let highest = FileID(high: .max, low: .max)
}

extension FileID: CustomStringConvertible, LosslessStringConvertible, Codable {
  /// `8-4-4-4-12` lower-case hexadecimal digits.
  public var description: String { String(decoding: text, as: UTF8.self) }

  /// The 36 bytes of `description`.
  public var text: [UInt8] {
    var out: [UInt8] = []
    out.reserveCapacity(36)
    for (index, byte) in bytes.enumerated() {
      if index == 4 || index == 6 || index == 8 || index == 10 { out.append(UInt8(ascii: "-")) }
      out.append(Hex.digits[Int(byte >> 4)])
      out.append(Hex.digits[Int(byte & 15)])
    }
    return out
  }

  /// Parses the 36-character form in either case; nil for anything else.
  public init?(_ text: String) {
    guard text.utf8.count == 36 else { return nil }
    var text = text
    guard let id = text.withUTF8({ FileID(text: $0.span) }) else { return nil }
    self = id
  }

  public init?(text: ArraySlice<UInt8>) { self.init(text: text.span) }

  public init?(text: Span<UInt8>) {
    guard text.count == 36 else { return nil }
    var halves: (UInt64, UInt64) = (0, 0)
    var nibbles = 0
    for offset in 0..<36 {
      let byte = text[offset]
      if offset == 8 || offset == 13 || offset == 18 || offset == 23 {
        guard byte == UInt8(ascii: "-") else { return nil }
        continue
      }
      guard let value = Hex.value(byte) else { return nil }
      if nibbles < 16 { halves.0 = halves.0 << 4 | UInt64(value) } else { halves.1 = halves.1 << 4 | UInt64(value) }
      nibbles += 1
    }
    self.init(high: halves.0, low: halves.1)
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    let text = try container.decode(String.self)
    guard let id = FileID(text) else {
      throw DecodingError.dataCorruptedError(in: container, debugDescription: "not a UUID: \(text.prefix(40))")
    }
    self = id
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}
