internal import Catalogue
internal import Core
internal import HTTP
internal import Postgres
internal import StorageAPI
internal import Synchronization
internal import Telemetry

/// One full sync of one appliance: the first page gives the position everything is measured against, the rest of the
/// id space is cut into ranges that are pulled in parallel. Each page is one transaction that also says how far its
/// range has come; interrupted, the sync goes on from there.
struct FullSync: Sendable {
  let sync: FleetSync
  let client: ApplianceClient
  let pace: SyncPace

  private var id: FileID { client.element.id }
  private var files: FileCatalogue { sync.files }

  /// Lists and sweeps everything. The position before the first page, from which the feed has to be followed.
  func run(report: inout SyncReport, on connection: PostgresConnection) async throws -> Position {
    let progress = FullSyncProgress(id: id, elements: sync.elements)
    let active = try await files.totals(owner: id)["active"]?.files ?? 0
    let element = try await sync.elements.element(id)
    let limits = Limits(marksMax: max(FleetSync.marksMax, active / 100, element?.lossAccepted ?? 0))
    let start: Position
    if let resumed = try await progress.resume(on: connection) {
      start = resumed
    } else {
      let first = try await pull(SyncRange(number: 0), start: nil, limits, on: connection)
      start = first.position
      sync.note(first.page, of: client, report: &report)
      report.add(first.counts)
    }
    for part in try await pullAll(try await progress.ranges(on: connection), start: start, limits, on: connection) {
      sync.note(part.page, of: client, report: &report)
      report.add(part.counts)
    }
    try await progress.finish(start, on: connection)
    report.isHeld = try await sync.elements.element(id)?.lossHold ?? true
    return start
  }

  struct Limits: Sendable {
    /// How many files this sync may mark.
    let marksMax: Int
  }

  private struct Part: Sendable {
    var page: SyncPage
    var counts: SyncCounts
    var position: Position
    /// What of the range is left.
    var rest: SyncRange?
  }

  /// Pulls all ranges: on the connection that holds the lock, and on as many others as there are to spare.
  private func pullAll(
    _ ranges: [SyncRange], start: Position, _ limits: Limits, on connection: PostgresConnection
  ) async throws -> [Part] {
    guard !ranges.isEmpty else { return [] }
    let waiting = SyncRangeQueue(ranges)
    let results = await withTaskGroup(of: Result<[Part], any Error>.self) { group in
      group.addTask { await stopping(waiting) { try await work(waiting, start: start, limits, on: connection) } }
      for _ in 1..<max(1, min(sync.configuration.rangesParallelMax, ranges.count)) {
        guard let slot = sync.slots.take() else { break }
        group.addTask {
          defer { slot.giveBack() }
          return await stopping(waiting) { try await help(waiting, start: start, limits) }
        }
      }
      var results: [Result<[Part], any Error>] = []
      while let result = await group.next() { results.append(result) }
      return results
    }
    return try results.flatMap { try $0.get() }
  }

  /// When one fails the others end after their page: cancelling them would break their connections in the middle of
  /// a statement, and with the first of them the lock would go.
  private func stopping(
    _ waiting: SyncRangeQueue, _ body: () async throws -> [Part]
  ) async -> Result<[Part], any Error> {
    do { return .success(try await body()) } catch {
      waiting.stop()
      return .failure(error)
    }
  }

  /// On another connection. It shares a lock which a successor must find free: a helper that was forgotten somewhere
  /// keeps it from beginning.
  private func help(_ waiting: SyncRangeQueue, start: Position, _ limits: Limits) async throws -> [Part] {
    let key = FleetSync.helpersKey(id)
    do {
      return try await sync.pool.withConnection { connection in
        try await connection.query("SELECT pg_advisory_lock_shared(hashtextextended(\(key), 0))")
        let parts: [Part]
        do { parts = try await work(waiting, start: start, limits, on: connection) } catch {
          _ = try? await connection.query(  // the first error matters more; a broken session has lost the lock anyway
            "SELECT pg_advisory_unlock_shared(hashtextextended(\(key), 0))")
          throw error
        }
        try await connection.query("SELECT pg_advisory_unlock_shared(hashtextextended(\(key), 0))")
        return parts
      }
    } catch let error as PostgresError where error.kind == .overloaded {
      return []  // the others do it
    }
  }

  /// Takes range after range. What is kept of a page is its counts: parts of one worker are added up.
  private func work(
    _ waiting: SyncRangeQueue, start: Position, _ limits: Limits, on connection: PostgresConnection
  ) async throws -> [Part] {
    var parts: [Part] = []
    while var range = waiting.next() {
      while true {
        let part = try await pull(range, start: start, limits, on: connection)
        if part.page.rejected > 0 || parts.isEmpty {
          parts.append(part)
        } else {
          parts[0].counts += part.counts
        }
        guard let rest = part.rest, !waiting.isStopped else { break }
        range = rest
      }
    }
    return parts
  }

  /// One page: pulled, staged, written, swept, and how far the range has come, in one transaction.
  private func pull(
    _ range: SyncRange, start: Position?, _ limits: Limits, on connection: PostgresConnection
  ) async throws -> Part {
    let lines = pace.lines(most: sync.configuration.pageLinesMax)
    let response = try await client.range(after: range.after, until: range.through, limit: lines)
    var reader = SyncPageReader(
      response, linesMax: lines, scope: .listing(after: range.after, through: range.through), pace: pace)
    let progress = FullSyncProgress(id: id, elements: sync.elements)
    return try await connection.transaction { connection in
      let staged = try await files.stage(on: connection, timeout: FleetSync.pageTimeout) { try await reader.next() }
      let page = reader.page
      guard let closing = page.closing, let position = RowPosition(closing.position) else {
        throw SyncPageError.badClosing
      }
      try check(page, closing, of: range, start: start)
      let through = closing.more ? page.lastID ?? range.through : range.through
      if start == nil { try await progress.begin(closing.position, disowning: position, on: connection) }
      // A page with refused lines cannot say what is not there: their ids may be among what was refused.
      let sweep = SyncSweep(after: range.after, through: through, position: position)
      let counts = try await files.apply(
        StagedPage(owner: id, epoch: position.epoch, rows: staged, hasRepeatedIDs: false),
        sweep: page.rejected == 0 ? sweep : nil, on: connection)
      if counts.missing > 0 {
        try await mark(sweep, missing: counts.missing, limits, on: connection)
      }
      let rest = through < range.through ? SyncRange(number: range.number, after: through, through: range.through) : nil
      if start == nil {
        try await progress.split(rest, into: sync.configuration.rangesMax, on: connection)
      } else {
        try await progress.keep(range.number, rest: rest, on: connection)
      }
      return Part(page: page, counts: counts, position: closing.position, rest: rest)
    }
  }

  private func check(
    _ page: SyncPage, _ closing: SyncPage.Closing, of range: SyncRange, start: Position?
  ) throws(SyncPageError) {
    if let start {
      guard start.isSameHistory(as: closing.position) else { throw .otherEpoch }
      guard closing.position.lsn >= start.lsn else { throw .wentBack }
    }
    guard page.highestLSN <= Int64(clamping: closing.position.lsn) else { throw .beyondPosition }
    if closing.more {
      guard let last = page.lastID, last > range.after else { throw .stuck }
    }
  }

  /// Marks what the page lacks, as long as the whole sync stays within its bound; otherwise nothing, and the loss is
  /// held until an administrator accepts it.
  private func mark(
    _ sweep: SyncSweep, missing: Int, _ limits: Limits, on connection: PostgresConnection
  ) async throws {
    let progress = FullSyncProgress(id: id, elements: sync.elements)
    let (marked, isHeld) = try await progress.lockMarks(on: connection)
    guard !isHeld, marked + missing <= limits.marksMax else {
      return try await sync.elements.holdLoss(id, missing: missing, on: connection)
    }
    let now = try await files.markMissing(sweep, owner: id, on: connection)
    try await progress.addMarks(now, on: connection)
  }
}

/// Ids in (`after`, `through`].
struct SyncRange: Sendable, Hashable {
  var number: Int
  var after = FileID.lowest
  var through = FileID.highest
}

/// The ranges nobody has taken yet.
final class SyncRangeQueue: Sendable {
  private let state: Mutex<(ranges: [SyncRange], isStopped: Bool)>

  init(_ ranges: [SyncRange]) { state = Mutex((ranges.reversed(), false)) }

  func next() -> SyncRange? { state.withLock { $0.isStopped ? nil : $0.ranges.popLast() } }

  /// Somebody failed: nobody takes another page.
  func stop() { state.withLock { $0.isStopped = true } }

  var isStopped: Bool { state.withLock { $0.isStopped } }
}

/// Connections that full syncs may use besides their own: never so many that the rest of the process waits.
final class SyncSlots: Sendable {
  private let free: Mutex<Int>

  init(_ count: Int) { free = Mutex(count) }

  struct Slot: Sendable {
    fileprivate let slots: SyncSlots
    func giveBack() { slots.free.withLock { $0 += 1 } }
  }

  func take() -> Slot? {
    free.withLock { free in
      guard free > 0 else { return nil }
      free -= 1
      return Slot(slots: self)
    }
  }
}
