public import Core
internal import Crypto
internal import Disk

// The journal: every change of the store, in order, durable before it is acknowledged, and the audit trail.
//
// DIRECTORY
//
//   000000000000000001.wal            segments, numbered from 1; the highest that was begun is the active one
//   000000000000000002.wal            the next one's file, named ahead (decision 0071): without a whole header and
//                                     all zeros behind it, it was not begun and counts for nothing
//   spare-1                           a file of zeros for a segment to come; never holds anything
//   reserve                           blocks for a start on a full disk (decision 0102); never holds anything
//   000000000000000001.wal.torn-42    a torn tail that recovery set aside (LSN 42 was the first that was not whole)
//   archive/000000000000000001.wal.lz4  sealed segments, LZ4 frames that `lz4 -d` reads
//   archive/anchor.json               where the chain begins after older archives were pruned
//
// SEGMENT (at most 16 MiB unless one batch needs more)
//
//   A header, then records back to back, then nothing or zeros: a segment may lie in a file that was written full of
//   zeros before (decision 0015), and what is said of a whole segment, its hash first, means it without them. All
//   integers are little-endian. Records begin at multiples of 8.
//
//   offset size  header
//        0    8  magic "ARTSJNL" and a zero byte
//        8    4  format version, 1
//       12    4  header size, 128
//       16    8  segment number
//       24    8  LSN of the first record that takes one
//       32   16  appliance id
//       48    8  epoch
//       56   32  SHA-256 of the whole previous segment; zeros in the first
//       88    8  creation time, microseconds since 1970
//       96   28  zeros
//      124    4  CRC-32C of bytes 0–123
//
//   The hash of each segment stands in the next one's header: nothing before the active segment can be changed, removed
//   or reordered unnoticed.
//
// RECORD
//
//   offset size
//        0    4  payload size, without padding; at most 4 MiB
//        4    4  CRC-32C of bytes 8 to the payload's end, continued over the size; seeded with the header's CRC,
//                so that a record of another segment (in a document that happens to be a journal, in a reused
//                block) never counts
//        8    8  LSN
//       16    2  type (`RecordType`)
//       18    6  zeros
//       24    n  payload, then zeros to a multiple of 8
//
//   LSNs grow by one and are never reused. Batch headers and attestations take none: they repeat the LSN before them.
//
// BATCH
//
//   A batch header, then the records of one group commit, written by one call and made durable by one sync. The header
//   says how many bytes follow and which LSN was durable before it. Once the journal is idle an attestation says that
//   the last batch was made durable. So each batch is attested by what comes after it, which is how recovery tells the
//   two kinds of bad bytes apart:
//
//   - nothing valid later in the journal (nor the index) attests to them: a torn tail, from a batch that was never
//     acknowledged. It is copied aside, cut off and reported.
//   - something attests to them: damage. Nothing is guessed: the start stops and says where.
//
// RECOVERY
//
//   What is read back after a crash may be in the page cache only, and vanish with the next power cut after it was
//   served. So the active segment's valid bytes are first copied to a new file, synced, and renamed over the old one.
//   Without room for that, the reserve's included, the file is synced where it lies, dropped from the page cache, and
//   read once more.
//
// FAILURE
//
//   A write or sync that fails leaves the truth unknown: the kernel may have dropped the pages and cleared the error.
//   It is never retried; the journal refuses everything from then on.

/// Where and how a journal is kept.
public struct JournalConfiguration: Sendable {
  public var directory: String
  /// Who owns the journal; a segment of another appliance is refused.
  public var appliance: FileID
  /// The life of the store that this process continues; a change of it starts a new segment.
  public var epoch: UInt64
  /// A segment is sealed when it would grow beyond this.
  public var segmentBytesMax = 16 << 20

  public init(directory: String, appliance: FileID, epoch: UInt64) {
    self.directory = directory
    self.appliance = appliance
    self.epoch = epoch
  }

  public var archiveDirectory: String { "\(directory)/archive" }

  func segmentPath(_ number: UInt64) -> String { "\(directory)/\(SegmentName.text(number))" }
}

/// Writes the active segment. One thread owns it: the committer. Not durable before `commit` returns.
public final class Journal {
  let configuration: JournalConfiguration
  let disk: any Disk
  let time: any TimeSource
  private let spares: SpareSegments?
  var segment: ActiveSegment
  /// LSN of the last record of the last durable batch.
  public private(set) var durableLSN: UInt64
  /// Set by the first failed write or sync, for good.
  public private(set) var failure: JournalError?
  private var builder = BatchBuilder()
  private var isAttested = true
  /// The active segment holds more than the journal's own marks.
  public private(set) var holdsHistory: Bool
  private var batchHoldsHistory = false
  /// Segments sealed since the start, not yet taken by `takeSealed`.
  private var sealed: [SealedSegment] = []
  public private(set) var statistics = JournalStatistics()

  /// Continues after recovery: see `JournalRecovery`.
  init(
    _ configuration: JournalConfiguration, disk: any Disk, time: any TimeSource, segment: consuming ActiveSegment,
    lastLSN: UInt64, holdsHistory: Bool, spares: SpareSegments?
  ) {
    self.spares = spares
    self.holdsHistory = holdsHistory
    self.configuration = configuration
    self.disk = disk
    self.time = time
    self.segment = segment
    durableLSN = lastLSN
    spares?.want(self.segment.header.number + 1)
  }

  /// The LSN that the next record of the open batch gets.
  public var nextLSN: UInt64 { durableLSN + UInt64(builder.count) + 1 }

  /// Bytes in the open batch.
  public var pendingBytes: Int { builder.bytes.count }

  /// Adds a record to the open batch; its LSN. `write` appends the payload.
  @discardableResult
  public func add(_ type: RecordType, _ write: (inout BinaryWriter) -> Void) -> UInt64 {
    precondition(type.takesLSN, "a record of its own needs an LSN")
    let lsn = nextLSN
    builder.add(type, lsn: lsn, write)
    batchHoldsHistory = batchHoldsHistory || type.isHistory
    return lsn
  }

  /// Forgets the open batch: nothing of it was written.
  public func discard() {
    builder.removeAll()
    batchHoldsHistory = false
  }

  /// Makes the open batch durable; the LSN of its last record. A full disk at the change of segments (`isFull`) leaves
  /// the journal usable and the batch forgotten; any other failure is final.
  public func commit() throws(JournalError) -> UInt64 {
    if let failure { throw failure }
    guard builder.count > 0 else { return durableLSN }
    let last = nextLSN - 1
    do throws(JournalError) {
      try roll(needing: builder.bytes.count + Record.batchHeaderBytes)
    } catch {
      discard()
      throw error
    }
    builder.seal(durable: durableLSN, time: time.now(), salt: segment.salt)
    do throws(JournalError) {
      try write(builder.bytes, records: builder.count)
    } catch {
      discard()
      throw error
    }
    holdsHistory = holdsHistory || batchHoldsHistory
    discard()
    durableLSN = last
    isAttested = false
    return last
  }

  /// Says in the journal that the last batch is durable, once; called when nothing has been committed for a while.
  public func attest() throws(JournalError) {
    if let failure { throw failure }
    guard !isAttested else { return }
    var attestation = BatchBuilder()
    attestation.attest(durable: durableLSN, time: time.now(), salt: segment.salt)
    try write(attestation.bytes, records: 0)
    isAttested = true
  }

  /// Seals the active segment when it holds any record, so that it can be archived.
  public func seal() throws(JournalError) {
    if let failure { throw failure }
    if segment.count > SegmentHeader.size { try roll(needing: .max) }
  }

  /// The segments sealed since the last call.
  public func takeSealed() -> [SealedSegment] {
    defer { sealed = [] }
    return sealed
  }

  /// SHA-256 of the segment before the active one: the head of the proven chain.
  public var chainHead: Checksum { segment.header.previous }
  public var segmentNumber: UInt64 { segment.header.number }
  /// The newest link of the chain: the active segment's.
  public var head: ChainLink { ChainLink(segment.header) }
  var segmentEpoch: UInt64 { segment.header.epoch }

  private func write(_ bytes: [UInt8], records: Int) throws(JournalError) {
    try append(bytes)
    do throws(DiskError) {
      try disk.reached(.batchWritten)
      try segment.file.sync(.journalBatch)
    } catch {
      throw fail(error)
    }
    statistics.batches += 1
    statistics.records += UInt64(records)
    statistics.bytes += UInt64(bytes.count)
    do throws(DiskError) { try disk.reached(.batchSynced) } catch { throw fail(error) }
  }

  /// A full disk in the middle of a batch (the blocks could not be reserved) is undone, durably, before anybody hears
  /// that the batch was refused: its first records may be whole, and a power cut would bring them back.
  private func append(_ bytes: [UInt8]) throws(JournalError) {
    let before = segment.count
    do throws(DiskError) {
      try segment.append(bytes)
    } catch {
      guard error.isFull else { throw fail(error) }
      do throws(DiskError) {
        try segment.file.truncate(to: before)
        try segment.file.sync(.batchTakenBack)
      } catch {
        throw fail(error)
      }
      throw .full(error)
    }
  }

  private func fail(_ error: DiskError) -> JournalError {
    let failure = JournalError.failed(error)
    self.failure = failure
    return failure
  }

  /// Changes to a new segment when `count` more bytes would not fit.
  private func roll(needing count: Int) throws(JournalError) {
    // The first segment after a start is an ordinary file: one that sees much use is left early, for a quicker one.
    let isLeft = !segment.isPrepared && spares?.isReady == true
    let limit = isLeft ? configuration.segmentBytesMax / 16 : configuration.segmentBytesMax
    let room = limit - segment.count
    guard count > room, segment.count > SegmentHeader.size else { return }
    let header = SegmentHeader(
      number: segment.header.number + 1, firstLSN: durableLSN + 1, appliance: configuration.appliance,
      epoch: configuration.epoch, previous: segment.hash(), created: time.now())
    let old = (header: segment.header, file: segment.file, bytes: segment.count)
    do throws(DiskError) {
      try disk.reached(.segmentSealed)
      segment = try ActiveSegment.create(header, in: configuration, disk: disk, spares: spares)
    } catch {
      if error.isFull { throw .full(error) }
      throw fail(error)
    }
    sealed.append(
      SealedSegment(
        number: old.header.number, firstLSN: old.header.firstLSN, lastLSN: durableLSN, bytes: old.bytes))
    old.file.close()
    spares?.want(segment.header.number + 1)
    isAttested = true
    holdsHistory = false
    statistics.segmentsSealed += 1
  }
}

/// What the journal has done since the start.
public struct JournalStatistics: Sendable, Hashable {
  public var batches: UInt64 = 0
  public var records: UInt64 = 0
  public var bytes: UInt64 = 0
  public var segmentsSealed: UInt64 = 0
}

/// A segment that will not change any more.
public struct SealedSegment: Sendable, Hashable {
  public let number: UInt64
  public let firstLSN: UInt64
  public let lastLSN: UInt64
  /// Size of the raw file.
  public let bytes: Int
}
