package import Core
internal import Disk

/// Encodes one batch into one run of bytes: room for its header first, then its records; the CRCs come last, when the
/// segment that takes the batch is known.
package struct BatchBuilder {
  private var writer = BinaryWriter()
  private var offsets: [Int] = []

  var count: Int { offsets.count }
  package var bytes: [UInt8] { writer.bytes }

  package init() {}

  package mutating func add(_ type: RecordType, lsn: UInt64, _ write: (inout BinaryWriter) -> Void) {
    if writer.bytes.isEmpty { writer.raw(repeatElement(0, count: Record.batchHeaderBytes)) }
    offsets.append(writer.bytes.count)
    append(type, lsn: lsn, write)
  }

  /// Fills in the batch header and every CRC.
  package mutating func seal(durable: UInt64, time: Timestamp, salt: UInt32) {
    let header = BatchHeader(
      records: UInt32(offsets.count), bytes: UInt32(writer.bytes.count - Record.batchHeaderBytes), durable: durable,
      time: time.microseconds)
    var first = BatchBuilder()
    first.append(.batch, lsn: durable) { header.write(to: &$0) }
    first.close(at: 0, salt: salt)
    writer.bytes.replaceSubrange(0..<Record.batchHeaderBytes, with: first.writer.bytes)
    for offset in offsets { close(at: offset, salt: salt) }
  }

  /// A lone attestation instead of a batch.
  mutating func attest(durable: UInt64, time: Timestamp, salt: UInt32) {
    let header = BatchHeader(records: 0, bytes: 0, durable: durable, time: time.microseconds)
    append(.attestation, lsn: durable) { header.write(to: &$0) }
    close(at: 0, salt: salt)
  }

  /// Empties it, keeping the memory.
  mutating func removeAll() {
    writer.bytes.removeAll(keepingCapacity: writer.bytes.capacity < 16 << 20)
    offsets.removeAll(keepingCapacity: true)
  }

  private mutating func append(_ type: RecordType, lsn: UInt64, _ write: (inout BinaryWriter) -> Void) {
    let start = writer.bytes.count
    writer.uint32(0)
    writer.uint32(0)
    writer.uint64(lsn)
    writer.uint16(type.rawValue)
    writer.raw(repeatElement(0, count: 6))
    write(&writer)
    let size = writer.bytes.count - start - Record.headerBytes
    precondition(size <= Record.payloadBytesMax, "a record's payload is bounded by its maker")
    withUnsafeBytes(of: UInt32(size).littleEndian) { writer.bytes.replaceSubrange(start..<start + 4, with: $0) }
    writer.raw(repeatElement(0, count: Record.padded(size) - size))
  }

  private mutating func close(at offset: Int, salt: UInt32) {
    writer.bytes.withUnsafeMutableBytes { buffer in
      let size = Int(UInt32(littleEndian: buffer.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
      let end = offset + Record.headerBytes + size
      let crc = RecordChecksum.value(UnsafeRawBufferPointer(buffer), offset: offset, end: end, salt: salt)
      buffer.storeBytes(of: crc.littleEndian, toByteOffset: offset + 4, as: UInt32.self)
    }
  }
}

package enum RecordChecksum {
  /// Over bytes `offset + 8` to `end`, then over the size field.
  package static func value(_ bytes: UnsafeRawBufferPointer, offset: Int, end: Int, salt: UInt32) -> UInt32 {
    let body = CRC32C.value(UnsafeRawBufferPointer(rebasing: bytes[offset + 8..<end]), continuing: salt)
    return CRC32C.value(UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + 4]), continuing: body)
  }
}
