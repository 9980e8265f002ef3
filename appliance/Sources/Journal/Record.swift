/// One record as read back. `payload` shares the segment's bytes.
public struct Record: Sendable {
  public let lsn: UInt64
  public let type: RecordType
  public let payload: ArraySlice<UInt8>
  /// Where it begins in its segment.
  public let offset: Int

  package static let headerBytes = 24
  package static let payloadBytesMax = 4 << 20
  static let batchHeaderBytes = headerBytes + BatchHeader.bytes

  /// A payload's size with its padding.
  package static func padded(_ count: Int) -> Int { (count + 7) & ~7 }
}

/// The payload of `RecordType.batch` and `.attestation`.
///
///     offset size
///          0    4  records that follow in this batch (0 in an attestation)
///          4    4  their bytes
///          8    8  the LSN that was durable when this was written
///         16    8  time, microseconds since 1970
struct BatchHeader {
  static let bytes = 24
  let records: UInt32
  let bytes: UInt32
  let durable: UInt64
  let time: Int64

  init(records: UInt32, bytes: UInt32, durable: UInt64, time: Int64) {
    self.records = records
    self.bytes = bytes
    self.durable = durable
    self.time = time
  }

  init?(_ payload: ArraySlice<UInt8>) {
    var reader = BinaryReader(payload)
    guard let records = reader.uint32(), let bytes = reader.uint32(), let durable = reader.uint64(),
      let time = reader.uint64(), reader.isAtEnd
    else { return nil }
    self.init(records: records, bytes: bytes, durable: durable, time: Int64(bitPattern: time))
  }

  func write(to writer: inout BinaryWriter) {
    writer.uint32(records)
    writer.uint32(bytes)
    writer.uint64(durable)
    writer.uint64(UInt64(bitPattern: time))
  }
}
