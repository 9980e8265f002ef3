/// Appends little-endian integers and counted byte strings: the payloads of records.
public struct BinaryWriter: Sendable {
  public internal(set) var bytes: [UInt8] = []

  public init() {}

  public mutating func uint8(_ value: UInt8) { bytes.append(value) }

  public mutating func uint16(_ value: UInt16) { integer(value) }

  public mutating func uint32(_ value: UInt32) { integer(value) }

  public mutating func uint64(_ value: UInt64) { integer(value) }

  public mutating func raw(_ value: some Collection<UInt8>) {
    // In one piece: callers of other modules come here through a protocol.
    let whole: Void? = value.withContiguousStorageIfAvailable { bytes.append(contentsOf: $0) }
    if whole == nil { bytes.append(contentsOf: value) }
  }

  /// A count of 2 bytes, then the bytes; at most 65,535 of them.
  public mutating func short(_ value: some Collection<UInt8>) {
    precondition(value.count <= Int(UInt16.max), "a short byte string has at most 65,535 bytes")
    uint16(UInt16(value.count))
    raw(value)
  }

  /// A count of 4 bytes, then the bytes.
  public mutating func long(_ value: some Collection<UInt8>) {
    uint32(UInt32(value.count))
    raw(value)
  }

  private mutating func integer<Integer: FixedWidthInteger>(_ value: Integer) {
    withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
  }
}

/// Reads what `BinaryWriter` wrote. Every accessor is nil when the bytes end early.
public struct BinaryReader: Sendable {
  private let bytes: ArraySlice<UInt8>
  private var position: Int

  public init(_ bytes: ArraySlice<UInt8>) {
    self.bytes = bytes
    position = bytes.startIndex
  }

  public var isAtEnd: Bool { position == bytes.endIndex }

  public mutating func uint8() -> UInt8? { integer() }

  public mutating func uint16() -> UInt16? { integer() }

  public mutating func uint32() -> UInt32? { integer() }

  public mutating func uint64() -> UInt64? { integer() }

  public mutating func raw(_ count: Int) -> ArraySlice<UInt8>? {
    guard count >= 0, count <= bytes.endIndex - position else { return nil }
    defer { position += count }
    return bytes[position..<position + count]
  }

  public mutating func short() -> ArraySlice<UInt8>? { uint16().flatMap { raw(Int($0)) } }

  public mutating func long() -> ArraySlice<UInt8>? { uint32().flatMap { raw(Int($0)) } }

  private mutating func integer<Integer: FixedWidthInteger>() -> Integer? {
    guard let slice = raw(MemoryLayout<Integer>.size) else { return nil }
    return slice.withUnsafeBytes { Integer(littleEndian: $0.loadUnaligned(as: Integer.self)) }
  }
}
