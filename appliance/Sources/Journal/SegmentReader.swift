internal import Core
internal import Disk

/// Reads one segment's bytes: its header, then record by record until the end or the first bytes that are none.
package struct SegmentReader {
  package let header: SegmentHeader
  let bytes: [UInt8]
  let file: String
  private let salt: UInt32
  package private(set) var offset = SegmentHeader.size
  /// LSN of the last record that took one.
  private(set) var lastLSN: UInt64

  package init(_ bytes: [UInt8], file: String) throws(JournalError) {
    header = try SegmentHeader(bytes[...], file: file)
    salt = SegmentHeader.salt(bytes)
    self.bytes = bytes
    self.file = file
    lastLSN = header.firstLSN - 1
  }

  /// The segment without the zeros behind it, once reading has come to its clean end; before, all bytes.
  var whole: ArraySlice<UInt8> { isAtCleanEnd ? bytes[..<offset] : bytes[...] }
  private var isAtCleanEnd = false

  /// Why reading stopped.
  package enum End: Equatable {
    /// The bytes end here, or only zeros follow.
    case clean
    /// Something stands here that is no record.
    case bad(reason: String)
  }

  package enum Step {
    case record(Record)
    case end(End)
  }

  package mutating func next() -> Step {
    guard offset < bytes.count else {
      isAtCleanEnd = true
      return .end(.clean)
    }
    switch record(at: offset) {
    case .success(let record):
      let expected = record.type.takesLSN ? lastLSN + 1 : lastLSN
      guard record.lsn == expected else {
        return .end(.bad(reason: "LSN \(record.lsn) where \(expected) must stand"))
      }
      lastLSN = record.lsn
      offset += Record.headerBytes + Record.padded(record.payload.count)
      return .record(record)
    case .failure(let fault):
      if bytes[offset...].allSatisfy({ $0 == 0 }) {
        isAtCleanEnd = true
        return .end(.clean)
      }
      return .end(.bad(reason: fault.reason))
    }
  }

  /// Whether a whole record after the place where reading stopped says that `lsn` was durable.
  package func laterAttestation(of lsn: UInt64) -> Int? {
    var place = offset + 8
    while place + Record.headerBytes <= bytes.count {
      defer { place += 8 }
      guard case .success(let record) = record(at: place), record.type.attests else { continue }
      switch record.type {
      case .checkpoint: if record.lsn > lsn { return place }
      default: if let header = BatchHeader(record.payload), header.durable >= lsn { return place }
      }
    }
    return nil
  }

  private struct Fault: Error { let reason: String }

  private func record(at offset: Int) -> Result<Record, Fault> {
    bytes.withUnsafeBytes { buffer in
      guard offset + Record.headerBytes <= buffer.count else {
        return .failure(Fault(reason: "a record's head is cut"))
      }
      let size = Int(UInt32(littleEndian: buffer.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
      let end = offset + Record.headerBytes + size
      // Its padding belongs to a record: one that was accepted without would leave what is appended next unaligned.
      guard size <= Record.payloadBytesMax, offset + Record.headerBytes + Record.padded(size) <= buffer.count else {
        return .failure(Fault(reason: "a record is longer than the file"))
      }
      let crc = UInt32(littleEndian: buffer.loadUnaligned(fromByteOffset: offset + 4, as: UInt32.self))
      guard RecordChecksum.value(buffer, offset: offset, end: end, salt: salt) == crc else {
        return .failure(Fault(reason: "a record's CRC does not match"))
      }
      let lsn = UInt64(littleEndian: buffer.loadUnaligned(fromByteOffset: offset + 8, as: UInt64.self))
      let number = UInt16(littleEndian: buffer.loadUnaligned(fromByteOffset: offset + 16, as: UInt16.self))
      guard let type = RecordType(rawValue: number) else {
        return .failure(Fault(reason: "a record of unknown type \(number)"))
      }
      let payload = bytes[offset + Record.headerBytes..<end]
      return .success(Record(lsn: lsn, type: type, payload: payload, offset: offset))
    }
  }
}
