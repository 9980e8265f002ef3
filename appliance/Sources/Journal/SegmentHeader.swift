public import Core
internal import Disk

/// The first 128 bytes of a segment; the layout is in `Journal.swift`.
public struct SegmentHeader: Sendable, Hashable {
  package static let size = 128
  static let version: UInt32 = 1
  private static let magic = Array("ARTSJNL\0".utf8)

  public let number: UInt64
  public let firstLSN: UInt64
  public let appliance: FileID
  public let epoch: UInt64
  /// SHA-256 of the whole previous segment.
  public let previous: Checksum
  public let created: Timestamp

  /// The first segment's; 32 bytes are always a checksum.
  package static let nothingBefore = Checksum(bytes: [UInt8](repeating: 0, count: 32))!

  package func encoded() -> [UInt8] {
    var writer = BinaryWriter()
    writer.raw(Self.magic)
    writer.uint32(Self.version)
    writer.uint32(UInt32(Self.size))
    writer.uint64(number)
    writer.uint64(firstLSN)
    writer.raw(appliance.bytes)
    writer.uint64(epoch)
    writer.raw(previous.bytes)
    writer.uint64(UInt64(bitPattern: created.microseconds))
    writer.raw(repeatElement(0, count: Self.size - 4 - writer.bytes.count))
    writer.uint32(CRC32C.value(writer.bytes))
    return writer.bytes
  }

  /// What the CRC of every record of this segment continues from.
  package static func salt(_ encoded: some Collection<UInt8>) -> UInt32 {
    encoded.prefix(size).suffix(4).reversed().reduce(0) { $0 << 8 | UInt32($1) }
  }

  package init(
    number: UInt64, firstLSN: UInt64, appliance: FileID, epoch: UInt64, previous: Checksum, created: Timestamp
  ) {
    self.number = number
    self.firstLSN = firstLSN
    self.appliance = appliance
    self.epoch = epoch
    self.previous = previous
    self.created = created
  }

  /// Reads a header back. Throws `damaged` when it is not whole, `foreign` when it is of another format.
  init(_ bytes: ArraySlice<UInt8>, file: String) throws(JournalError) {
    guard bytes.count >= Self.size, bytes.prefix(8).elementsEqual(Self.magic) else {
      throw .damaged(file: file, offset: 0, reason: "no segment header")
    }
    let head = bytes.prefix(Self.size)
    var reader = BinaryReader(head.dropFirst(8))
    guard let version = reader.uint32(), let size = reader.uint32() else {
      throw .damaged(file: file, offset: 8, reason: "no segment header")
    }
    guard version == Self.version, size == UInt32(Self.size) else {
      throw .foreign(file: file, reason: "format version \(version); this program reads version \(Self.version)")
    }
    guard CRC32C.value(Array(head.dropLast(4))) == Self.salt(head), let number = reader.uint64(),
      let firstLSN = reader.uint64(), let id = reader.raw(16), let appliance = FileID(bytes: id),
      let epoch = reader.uint64(), let hash = reader.raw(32), let previous = Checksum(bytes: Array(hash)),
      let created = reader.uint64()
    else { throw .damaged(file: file, offset: 0, reason: "the segment header's CRC does not match") }
    self.init(
      number: number, firstLSN: firstLSN, appliance: appliance, epoch: epoch, previous: previous,
      created: Timestamp(microseconds: Int64(bitPattern: created)))
  }
}

/// File names of segments: 18 digits, so that names sort as numbers.
enum SegmentName {
  static func text(_ number: UInt64) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, 18 - digits.utf8.count)) + digits + ".wal"
  }

  /// The number of `000000000000000001.wal` (or with `suffix` after it); nil for any other name.
  static func number(_ name: String, suffix: String = "") -> UInt64? {
    guard name.hasSuffix(".wal" + suffix) else { return nil }
    let digits = name.dropLast(4 + suffix.utf8.count)
    guard digits.utf8.count == 18, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
    return UInt64(digits)
  }
}
