/// A SHA-256 value (FIPS 180-4). Text form: 64 lower-case hexadecimal digits.
public struct Checksum: Hashable, Sendable {
  public let bytes: [UInt8]

  /// From its 32 bytes; nil for any other count.
  public init?(bytes: [UInt8]) {
    guard bytes.count == 32 else { return nil }
    self.bytes = bytes
  }
}

extension Checksum: CustomStringConvertible, LosslessStringConvertible, Codable {
  public var description: String { Hex.encode(bytes) }

  public init?(_ text: String) {
    guard text.utf8.count == 64, let bytes = Hex.decode(text) else { return nil }
    self.init(bytes: bytes)
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    let text = try container.decode(String.self)
    guard let sum = Checksum(text) else {
      throw DecodingError.dataCorruptedError(
        in: container, debugDescription: "not a SHA-256 in hex: \(text.prefix(80))")
    }
    self = sum
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}
