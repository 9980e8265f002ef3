public import Core
internal import Crypto
public import Disk

/// Opens a journal: checks the chain of segments, tells a torn tail from damage, makes what is read durable, and hands
/// out the records to redo. Call `read` as often as needed, then `start` once.
public final class JournalRecovery {
  let configuration: JournalConfiguration
  let disk: any Disk
  let time: any TimeSource
  private let reserve: JournalReserve
  private var segments: [UInt64] = []
  private var active: (header: SegmentHeader, bytes: [UInt8], file: any DiskFile)?
  /// LSN of the last whole record; 0 in a new journal.
  public private(set) var lastLSN: UInt64 = 0
  /// LSN of the first record still in a raw segment; 1 in a new journal.
  public private(set) var firstLSN: UInt64 = 1
  /// The newest checkpoint's payload; nil when no raw segment holds one.
  public private(set) var checkpoint: ArraySlice<UInt8>?
  /// The incarnations found, each with the LSN of its record, oldest first.
  public private(set) var incarnations: [Incarnation] = []
  /// Sealed segments that are still raw: to be archived.
  public private(set) var sealed: [SealedSegment] = []
  /// What was set aside, if anything.
  public private(set) var tornTail: TornTail?
  /// The last segment holds more than the journal's own marks.
  private var holdsHistory = false
  /// The epoch of the last record; nil in a journal without any.
  public private(set) var lastEpoch: UInt64?

  /// Prepares recovery. `attestedLSN`: what the index holds, hence was durable; 0 when it is unknown.
  public init(
    _ configuration: JournalConfiguration, disk: any Disk, time: any TimeSource, attestedLSN: UInt64
  ) throws(JournalError) {
    self.configuration = configuration
    self.disk = disk
    self.time = time
    reserve = JournalReserve(configuration, disk: disk)
    do throws(DiskError) {
      segments = try Self.segments(in: configuration.directory, disk: disk)
    } catch {
      throw .disk(error)
    }
    segments = try withoutLeftovers(segments)
    try scan(attestedLSN: attestedLSN)
  }

  /// The numbers of the raw segments, ascending, without one that was named ahead and not begun.
  static func segments(in directory: String, disk: any Disk) throws(DiskError) -> [UInt64] {
    let numbers = try disk.list(directory).compactMap { SegmentName.number($0.name) }.sorted()
    guard numbers.count > 1, let last = numbers.last else { return numbers }
    return try isBegun("\(directory)/\(SegmentName.text(last))", disk: disk) ? numbers : numbers.dropLast()
  }

  /// A segment's header is durable before anything is written behind it: where there is none and zeros follow, nothing
  /// was ever there.
  private static func isBegun(_ path: String, disk: any Disk) throws(DiskError) -> Bool {
    let file = try disk.open(path, .read)
    defer { file.close() }
    let head = try file.read(at: 0, count: SegmentHeader.size)
    do throws(JournalError) {
      _ = try SegmentHeader(head[...], file: path)
      return true
    } catch {
      // Cut, or of a later version: for the start to tell.
      var reader = BinaryReader(head.dropFirst(8))
      guard head.count == SegmentHeader.size, reader.uint32() ?? 0 <= SegmentHeader.version else { return true }
    }
    var place = head.count
    while true {
      let piece = try file.read(at: place, count: 1 << 20)
      if piece.isEmpty { return false }
      guard piece.allSatisfy({ $0 == 0 }) else { return true }
      place += piece.count
    }
  }

  /// Calls `visit` with every whole record after `lsn`, in order.
  public func read<Failure: Error>(
    after lsn: UInt64, _ visit: (Record) throws(Failure) -> Void
  ) throws(JournalReadError<Failure>) {
    for number in segments {
      var reader: SegmentReader
      do throws(JournalError) { reader = try self.reader(number) } catch { throw .journal(error) }
      while case .record(let record) = reader.next() {
        guard record.lsn > lsn, record.type.takesLSN else { continue }
        do throws(Failure) { try visit(record) } catch { throw .visitor(error) }
      }
    }
  }

  /// The records are of an earlier life than the one that begins: this is a copy that is being taken over.
  public var isAdopted: Bool { lastEpoch.map { $0 < configuration.epoch } ?? false }

  /// Whether there is no journal at all: not one segment.
  public var isMissing: Bool { segments.isEmpty }

  /// For a journal that was lost while its documents were not: the new one begins after `lsn`, the highest that any of
  /// them names, and says so in an anchor. Before `start`.
  public func begin(after lsn: UInt64) throws(JournalError) {
    precondition(segments.isEmpty, "a journal that exists goes on by itself")
    let archive: JournalArchive
    do throws(DiskError) { archive = try JournalArchive(configuration, disk: disk) } catch { throw .disk(error) }
    try archive.write(JournalArchive.Anchor(number: 0, lastLSN: lsn, hash: SegmentHeader.nothingBefore))
    lastLSN = lsn
    firstLSN = lsn + 1
  }

  /// Begins a new incarnation, durable before this returns, and hands over the journal. `first`: records that become
  /// durable with it, so that neither is there without the other.
  public func start(
    incarnation: UInt64, first: [(type: RecordType, payload: [UInt8])] = [], spares: SpareSegments? = nil
  ) throws(JournalError) -> sending Journal {
    let segment = try firstSegment()
    let journal = Journal(
      configuration, disk: disk, time: time, segment: segment, lastLSN: lastLSN, holdsHistory: holdsHistory,
      spares: spares)
    let now = time.now()
    let lsn: UInt64
    do throws(JournalError) {
      lsn = try Self.begin(incarnation, first, in: journal, epoch: configuration.epoch, at: now)
    } catch {
      guard error.isFull, try isReserveReleased() else { throw error }
      lsn = try Self.begin(incarnation, first, in: journal, epoch: configuration.epoch, at: now)
    }
    incarnations.append(Incarnation(id: incarnation, firstLSN: lsn))
    return journal
  }

  /// The first batch; the LSN of the incarnation's record. After a full disk it can be done again.
  private static func begin(
    _ incarnation: UInt64, _ first: [(type: RecordType, payload: [UInt8])], in journal: Journal, epoch: UInt64,
    at now: Timestamp
  ) throws(JournalError) -> UInt64 {
    if journal.segmentEpoch != epoch { try journal.seal() }
    let lsn = journal.add(.incarnation) { writer in
      writer.uint64(incarnation)
      writer.uint64(UInt64(bitPattern: now.microseconds))
    }
    for (type, payload) in first { journal.add(type) { $0.raw(payload) } }
    _ = try journal.commit()
    return lsn
  }

  private func isReserveReleased() throws(JournalError) -> Bool {
    do throws(DiskError) { return try reserve.release() } catch { throw .disk(error) }
  }

  private func firstSegment() throws(JournalError) -> ActiveSegment {
    if let active { return ActiveSegment(active.header, file: active.file, bytes: active.bytes) }
    let header = SegmentHeader(
      number: 1, firstLSN: lastLSN + 1, appliance: configuration.appliance, epoch: configuration.epoch,
      previous: SegmentHeader.nothingBefore, created: time.now())
    do throws(DiskError) {
      return try ActiveSegment.create(header, in: configuration, disk: disk)
    } catch {
      throw error.isFull ? .full(error) : .failed(error)
    }
  }

  private func reader(_ number: UInt64) throws(JournalError) -> SegmentReader {
    let path = configuration.segmentPath(number)
    if let active, active.header.number == number { return try SegmentReader(active.bytes, file: path) }
    return try SegmentReader(bytes(number), file: path)
  }

  private func bytes(_ number: UInt64) throws(JournalError) -> [UInt8] {
    let path = configuration.segmentPath(number)
    let bytes: [UInt8]?
    do throws(DiskError) { bytes = try disk.contents(path, limit: 1 << 30) } catch { throw .disk(error) }
    guard let bytes else { throw .damaged(file: path, offset: 0, reason: "the segment vanished while it was read") }
    return bytes
  }
}

extension JournalRecovery {
  /// Reads every raw segment once: chain, records, checkpoint, tail.
  private func scan(attestedLSN: UInt64) throws(JournalError) {
    var previous: (header: SegmentHeader, hash: Checksum)?
    for number in segments {
      let path = configuration.segmentPath(number)
      let bytes = try bytes(number)
      var reader = try SegmentReader(bytes, file: path)
      try check(reader.header, number: number, after: previous, path: path)
      if previous == nil {
        firstLSN = reader.header.firstLSN
        lastLSN = firstLSN - 1
      }
      let end = read(&reader)
      if reader.lastLSN >= reader.header.firstLSN { lastEpoch = reader.header.epoch }
      let isLast = number == segments.last
      if case .bad(let reason) = end {
        guard isLast else { throw .damaged(file: path, offset: reader.offset, reason: reason) }
        try judge(reader, reason: reason, attestedLSN: attestedLSN)
      }
      if isLast {
        try takeOver(reader)
      } else {
        previous = (reader.header, SHA256.digest(reader.whole))
        sealed.append(
          SealedSegment(
            number: number, firstLSN: reader.header.firstLSN, lastLSN: reader.lastLSN, bytes: reader.whole.count))
      }
    }
    guard lastLSN >= attestedLSN else {
      throw .damaged(
        file: segments.last.map(configuration.segmentPath) ?? configuration.directory, offset: 0,
        reason: "the journal ends at LSN \(lastLSN), but the index holds changes up to \(attestedLSN); if this is a "
          + "restored copy, `artstore-appliance init --adopt` takes it over as it is")
    }
  }

  private func check(
    _ header: SegmentHeader, number: UInt64, after previous: (header: SegmentHeader, hash: Checksum)?, path: String
  ) throws(JournalError) {
    guard header.appliance == configuration.appliance else {
      throw .foreign(file: path, reason: "it is of appliance \(header.appliance), this is \(configuration.appliance)")
    }
    guard header.number == number else {
      throw .damaged(file: path, offset: 16, reason: "it says to be segment \(header.number)")
    }
    guard header.epoch <= configuration.epoch else {
      throw .foreign(
        file: path,
        reason: "it is of epoch \(header.epoch), later than this store's \(configuration.epoch): state/store.json was "
          + "put back without the journal; restore both from one backup and run `artstore-appliance init --adopt`")
    }
    guard let previous else { return }
    guard number == previous.header.number + 1 else {
      throw .damaged(file: path, offset: 16, reason: "segment \(previous.header.number + 1) is missing before it")
    }
    guard header.firstLSN == lastLSN + 1 else {
      throw .damaged(
        file: configuration.segmentPath(number - 1), offset: 0,
        reason: "it ends at LSN \(lastLSN), but the next segment begins at \(header.firstLSN)")
    }
    guard header.previous == previous.hash else {
      throw .damaged(
        file: configuration.segmentPath(number - 1), offset: 0,
        reason: "its SHA-256 is not the one that the next segment's header carries")
    }
  }

  /// Walks one segment, noting what recovery must know.
  private func read(_ reader: inout SegmentReader) -> SegmentReader.End {
    holdsHistory = false
    while true {
      switch reader.next() {
      case .end(let end): return end
      case .record(let record):
        lastLSN = record.lsn
        holdsHistory = holdsHistory || record.type.isHistory
        if record.type == .checkpoint { checkpoint = record.payload }
        if record.type == .incarnation, let found = Incarnation(record) { incarnations.append(found) }
      }
    }
  }

  /// A bad record in the last segment: damage when anything says that it was durable.
  private func judge(_ reader: SegmentReader, reason: String, attestedLSN: UInt64) throws(JournalError) {
    if let place = reader.laterAttestation(of: reader.lastLSN + 1) {
      throw .damaged(
        file: reader.file, offset: reader.offset,
        reason: "\(reason), but the record at byte \(place) says that LSN \(reader.lastLSN + 1) was durable")
    }
    if attestedLSN > reader.lastLSN {
      throw .damaged(
        file: reader.file, offset: reader.offset,
        reason: "\(reason), but the index holds changes up to LSN \(attestedLSN)")
    }
    // Without the zeros of a file that was made ahead.
    let end = reader.bytes.lastIndex { $0 != 0 } ?? 0
    let torn = reader.bytes[reader.offset..<max(reader.offset, end + 1)]
    let tail = TornTail(
      file: "\(reader.file).torn-\(reader.lastLSN + 1)", lsn: reader.lastLSN + 1, offset: reader.offset,
      bytes: torn.count, reason: reason)
    do throws(DiskError) {
      let aside = try reserve.lending { () throws(DiskError) in
        try ActiveSegment.install(Array(torn), at: tail.file, reserving: 0, isRoomNeeded: false, disk: disk)
      }
      aside.close()
    } catch {
      throw .disk(error)
    }
    tornTail = tail
  }

  /// Copies the valid bytes of the last segment into a new durable file under the same name: what was read may be in
  /// the page cache only.
  private func takeOver(_ reader: SegmentReader) throws(JournalError) {
    let valid = Array(reader.bytes.prefix(reader.offset))
    do throws(DiskError) {
      try disk.reached(.recoveryCopied)
      let file: any DiskFile
      do throws(DiskError) {
        file = try reserve.lending { () throws(DiskError) in
          try ActiveSegment.install(
            valid, at: reader.file, reserving: configuration.segmentBytesMax, isRoomNeeded: false, disk: disk)
        }
      } catch {
        guard error.isFull else { throw error }
        file = try confirmed(reader, valid: valid)
      }
      try disk.reached(.recoveryRenamed)
      active = (reader.header, valid, file)
    } catch {
      throw .disk(error)
    }
  }
}

/// One start of the appliance.
public struct Incarnation: Sendable, Hashable, Codable {
  /// Random.
  public let id: UInt64
  /// LSN of its record: everything from here to the next incarnation's was written by it.
  public let firstLSN: UInt64

  public init(id: UInt64, firstLSN: UInt64) {
    self.id = id
    self.firstLSN = firstLSN
  }

  init?(_ record: Record) {
    var reader = BinaryReader(record.payload)
    guard let id = reader.uint64() else { return nil }
    self.init(id: id, firstLSN: record.lsn)
  }
}

/// Bytes of a batch that was never acknowledged, set aside by recovery.
public struct TornTail: Sendable, Hashable {
  /// Where they are kept.
  public let file: String
  /// The first LSN that was not whole.
  public let lsn: UInt64
  /// Where they began in the segment.
  public let offset: Int
  public let bytes: Int
  public let reason: String
}

/// Reading stopped because the journal, or the reader, failed.
public enum JournalReadError<Failure: Error>: Error {
  case journal(JournalError)
  case visitor(Failure)
}
