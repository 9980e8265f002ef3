internal import Core
public import FuzzTargets
internal import Journal
internal import Store

extension FuzzTarget {
  /// A segment is read without trapping; of what was written every record comes back, and of what was damaged never
  /// another one.
  public static var journal: FuzzTarget {
    FuzzTarget("journal", inputBytesMax: 2048) { input throws(Violation) in
      guard let kind = input.first else { return }
      let rest = Array(input.dropFirst())
      switch kind % 3 {
      case 0: try readRaw(rest)
      // Bytes with a header and checksums that are in order: the fuzzer need not find CRCs.
      case 1: try readRaw(JournalBytes.header + JournalBytes.withChecksums(rest))
      default: try writeAndDamage(rest)
      }
    }
  }

  private static func readRaw(_ bytes: [UInt8]) throws(Violation) {
    guard let found = JournalBytes.read(bytes) else { return }
    var end = SegmentHeader.size
    for record in found.records {
      try require(record.offset == end && record.offset % 8 == 0, "a record at \(record.offset) after \(end)")
      end += Record.headerBytes + Record.padded(record.payload.count)
      try require(end <= bytes.count, "a record beyond the end")
      try check(record)
    }
    try require(found.offset == end, "reading stopped at \(found.offset), the last record ended at \(end)")
    if let place = found.attestation { try require(place > end && place < bytes.count, "an attestation at \(place)") }
  }

  /// What a payload means, written again, means the same.
  private static func check(_ record: Record) throws(Violation) {
    if record.type == .checkpoint {
      guard let checkpoint = Checkpoint(record.payload) else { return }
      var writer = BinaryWriter()
      checkpoint.write(to: &writer)
      try require(Checkpoint(writer.bytes[...]) == checkpoint, "a checkpoint is read otherwise")
    }
    guard let mutation = Mutation(record) else { return }
    try require(mutation.type == record.type, "a mutation of another type")
    let first = JournalBytes.payload(mutation)
    guard first.count <= Record.payloadBytesMax, let again = JournalBytes.mutation(first, record.type) else {
      throw Violation("a mutation that was written is not read")
    }
    try require(JournalBytes.payload(again) == first, "one mutation has two forms")
  }

  /// The input as a list of (type, size) and bytes: written as batches, read, damaged in one place, read again.
  private static func writeAndDamage(_ input: [UInt8]) throws(Violation) {
    guard input.count >= 3 else { return }
    let written = JournalBytes.batches(input.dropFirst(3))
    guard let whole = JournalBytes.read(written.bytes) else { throw Violation("a written segment has no header") }
    let plain = whole.records.filter { $0.type != .batch }.map { Array($0.payload) }
    try require(plain == written.payloads, "\(plain.count) of \(written.payloads.count) records came back")
    try require(whole.end == .clean, "a written segment ends badly: \(whole.end)")

    var damaged = written.bytes
    let place = (Int(input[0]) << 8 | Int(input[1])) % damaged.count
    damaged[place] ^= input[2] == 0 ? 1 : input[2]
    guard let found = JournalBytes.read(damaged) else {
      return try require(place < SegmentHeader.size, "damage at \(place) hid the header")
    }
    try require(found.records.count <= whole.records.count, "damage made records")
    for (a, b) in zip(found.records, whole.records) {
      try require(
        a.lsn == b.lsn && a.type == b.type && a.payload.elementsEqual(b.payload) && a.offset == b.offset,
        "damage at \(place) changed the record at \(a.offset) unnoticed")
    }
  }

  static func require(_ holds: Bool, _ what: @autoclosure () -> String) throws(Violation) {
    if !holds { throw Violation(what()) }
  }
}

/// Segments made of and read from bytes.
enum JournalBytes {
  static let start = SegmentHeader(
    number: 1, firstLSN: 1, appliance: FileID(high: 7, low: 7), epoch: 1, previous: SegmentHeader.nothingBefore,
    created: Timestamp(seconds: 1_795_000_000))
  static let header = start.encoded()
  static let salt = SegmentHeader.salt(header)

  struct Found {
    var records: [Record] = []
    var end = SegmentReader.End.clean
    var offset = 0
    var attestation: Int?
  }

  /// nil when there is no header.
  static func read(_ bytes: [UInt8]) -> Found? {
    do throws(JournalError) {
      var reader = try SegmentReader(bytes, file: "fuzz")
      var found = Found()
      reading: while true {
        switch reader.next() {
        case .record(let record): found.records.append(record)
        case .end(let end):
          found.end = end
          break reading
        }
      }
      found.offset = reader.offset
      found.attestation = reader.laterAttestation(of: UInt64(found.records.count))
      return found
    } catch {
      return nil
    }
  }

  /// The bytes as records whose sizes, LSNs and checksums are made right, as far as they reach.
  static func withChecksums(_ input: [UInt8]) -> [UInt8] {
    var bytes = input
    bytes += [UInt8](repeating: 0, count: (8 - bytes.count % 8) % 8)
    var offset = 0
    var lsn: UInt64 = 0
    while offset + Record.headerBytes <= bytes.count {
      // The second byte of the size and more would nearly always lie beyond the end.
      let size = min(Int(bytes[offset]), bytes.count - offset - Record.headerBytes)
      let end = offset + Record.headerBytes + size
      let type = RecordType(rawValue: UInt16(bytes[offset + 16]))
      if type?.takesLSN ?? true { lsn += 1 }
      bytes.withUnsafeMutableBytes { buffer in
        buffer.storeBytes(of: UInt32(size).littleEndian, toByteOffset: offset, as: UInt32.self)
        buffer.storeBytes(of: lsn.littleEndian, toByteOffset: offset + 8, as: UInt64.self)
        buffer[offset + 17] = 0
        let crc = RecordChecksum.value(UnsafeRawBufferPointer(buffer), offset: offset, end: end, salt: salt)
        buffer.storeBytes(of: crc.littleEndian, toByteOffset: offset + 4, as: UInt32.self)
      }
      offset += Record.headerBytes + Record.padded(size)
    }
    return bytes
  }

  /// A whole segment of batches of up to four records, and the payloads in it.
  static func batches(_ input: ArraySlice<UInt8>) -> (bytes: [UInt8], payloads: [[UInt8]]) {
    var bytes = header
    var payloads: [[UInt8]] = []
    var rest = input
    var lsn: UInt64 = 0
    let types = RecordType.allCases.filter(\.takesLSN)
    while !rest.isEmpty {
      let durable = lsn
      var batch = BatchBuilder()
      for _ in 0..<4 {
        guard let type = rest.popFirst(), let size = rest.popFirst() else { break }
        let payload = Array(rest.prefix(Int(size)))
        rest = rest.dropFirst(payload.count)
        lsn += 1
        batch.add(types[Int(type) % types.count], lsn: lsn) { $0.raw(payload) }
        payloads.append(payload)
      }
      if lsn == durable { break }
      batch.seal(durable: durable, time: start.created, salt: salt)
      bytes += batch.bytes
    }
    return (bytes, payloads)
  }

  static func payload(_ mutation: Mutation) -> [UInt8] {
    var writer = BinaryWriter()
    mutation.write(to: &writer)
    return writer.bytes
  }

  static func mutation(_ payload: [UInt8], _ type: RecordType) -> Mutation? {
    var batch = BatchBuilder()
    batch.add(type, lsn: 1) { $0.raw(payload) }
    batch.seal(durable: 0, time: start.created, salt: salt)
    return read(header + batch.bytes)?.records.last.flatMap { Mutation($0) }
  }
}
