internal import Catalogue
internal import Core
internal import HTTP
internal import Identity
internal import Postgres
internal import Service
internal import StorageAPI
internal import Synchronization
internal import Telemetry

/// What a sync did; `file_sync` of the contract.
public struct SyncReport: Sendable {
  public enum Kind: String, Sendable { case full, incremental }
  public internal(set) var kind: Kind
  public internal(set) var added = 0
  public internal(set) var updated = 0
  public internal(set) var deleted = 0
  public internal(set) var unchanged = 0
  /// Found absent; marked unless held.
  public internal(set) var missing = 0
  /// Lines or ids that were refused.
  public internal(set) var rejected = 0
  /// Why the first of them was refused.
  public internal(set) var complaint: String?
  /// A loss was found that an administrator has to accept first.
  public internal(set) var isHeld = false
  /// What comparing the digests showed; nil when they were not compared.
  public internal(set) var digest: DigestComparison?
  public internal(set) var duration: Duration = .zero

  mutating func add(_ counts: SyncCounts) {
    added += counts.added
    updated += counts.updated
    deleted += counts.deleted
    unchanged += counts.unchanged
    missing += counts.missing
    rejected += counts.rejected + counts.foreign
    if counts.foreign > 0 { complaint = complaint ?? "an id that another storage element holds" }
  }
}

/// Brings the catalogue to where the appliances are. One job an appliance at a time, on the connection that holds its
/// advisory lock, so that a paused holder cannot write after losing it.
struct FleetSync: Sendable {
  let pool: PostgresPool
  let elements: StorageElementTable
  let files: FileCatalogue
  let access: ApplianceAccess
  let pins: ChainPins
  let slots: SyncSlots
  let audit: Audit
  let configuration: FleetConfiguration
  let time: any TimeSource
  let logger: Logger

  /// One page of a site on a thin line, from the first byte to the last.
  static let pageTimeout: Duration = .seconds(330)

  /// What a sweep may mark without being asked: this many, or 1 % of the appliance's active files if that is more.
  static let marksMax = 100
  /// Between a failed sync and the next attempt nobody asked for.
  private static let retryInterval: Duration = .seconds(60)

  /// Syncs all appliances that are reachable.
  func syncAll() async throws -> String {
    try await sync(try await elements.list().filter { $0.status != .offline })
  }

  /// Syncs those whose last good sync is too long ago, or who need a full one: what a replica leaves that died in the
  /// middle is here, and its lock went with it.
  func syncDue() async throws -> String {
    let now = time.now()
    return try await sync(
      try await elements.list().filter { element in
        if element.status == .offline { return false }
        if let failed = element.syncFailedAt, now < failed + Self.retryInterval { return false }
        guard !element.fullSyncNeeded, let last = element.lastSyncAt else { return true }
        return now >= last + configuration.syncInterval
      })
  }

  /// A bounded number at a time. Each holds one connection and now and then borrows another: never more than half of
  /// the pool, so that they cannot wait for each other.
  private func sync(_ all: [StorageElement]) async throws -> String {
    let parallelMax = max(1, min(configuration.parallelMax, pool.configuration.connectionsMax / 2))
    let done = await withTaskGroup(of: Bool.self) { group in
      var waiting = all.makeIterator()
      var done = 0
      for _ in 0..<parallelMax {
        guard let element = waiting.next() else { break }
        group.addTask { await syncQuietly(element) }
      }
      while let succeeded = await group.next() {
        done += succeeded ? 1 : 0
        if let element = waiting.next() { group.addTask { await syncQuietly(element) } }
      }
      return done
    }
    return "synced \(done) of \(all.count)"
  }

  private func syncQuietly(_ element: StorageElement) async -> Bool {
    do {
      _ = try await sync(element.id, full: false)
      return true
    } catch {
      logger.warning("fleet.sync.failed", ["storage_element": .string(element.name), "error": .error(error)])
      return false
    }
  }

  /// One sync, incremental where possible. `CONFLICT` when another is under way.
  func sync(_ id: FileID, full: Bool) async throws -> SyncReport {
    let (started, startedAt) = (time.uptime(), time.now())
    do {
      return try await locked(id) { connection in
        var report = try await run(id, full: full, on: connection)
        try await ended(id, report, on: connection)
        report.duration = time.uptime() - started
        return report
      }
    } catch {
      if (error as? APIError)?.code != .conflict { await writeDown(error, of: id, startedAt: startedAt) }
      throw error
    }
  }

  /// What the last full sync found missing is accepted; the next one begins anew. `CONFLICT` while a sync is under way:
  /// what it finds is not known yet.
  func acceptLoss(_ id: FileID) async throws {
    try await locked(id) { connection in
      try await connection.transaction { connection in
        try await elements.acceptLoss(id, on: connection)
        try await FullSyncProgress(id: id, elements: elements).forget(on: connection)
      }
    }
  }

  static func key(_ id: FileID) -> String { "artstore sync \(id)" }
  /// Shared by the connections that help with a full sync.
  static func helpersKey(_ id: FileID) -> String { "artstore sync helpers \(id)" }

  /// Runs `body` on the connection that holds the appliance's lock, when nobody else does and no helper of an earlier
  /// holder is left.
  private func locked<R>(_ id: FileID, _ body: (PostgresConnection) async throws -> R) async throws -> R {
    let (key, helpers) = (Self.key(id), Self.helpersKey(id))
    return try await pool.withConnection { connection in
      guard
        try await connection.query("SELECT pg_try_advisory_lock(hashtextextended(\(key), 0))").scalar(Bool.self)
      else { throw Self.busy }
      do {
        guard
          try await connection.query("SELECT pg_try_advisory_lock(hashtextextended(\(helpers), 0))").scalar(Bool.self)
        else { throw Self.busy }
        try await connection.query("SELECT pg_advisory_unlock(hashtextextended(\(helpers), 0))")
        let result = try await body(connection)
        try await connection.query("SELECT pg_advisory_unlock(hashtextextended(\(key), 0))")
        return result
      } catch {
        // A connection that broke has lost the lock with its session; otherwise it must not go back holding it.
        _ = try? await connection.query(  // the first error matters more than this one
          "SELECT pg_advisory_unlock(hashtextextended(\(key), 0))")
        throw error
      }
    }
  }

  private static let busy = APIError(.conflict, "a sync of this storage element is under way; wait for it to end")

  private func run(_ id: FileID, full: Bool, on connection: PostgresConnection) async throws -> SyncReport {
    guard let element = try await elements.element(id) else {
      throw APIError(.notFound, "there is no storage element \(id)")
    }
    let client = access.client(for: element)
    let pace = SyncPace(bytesPerSecond: element.syncBytesPerSecond, time: time)
    var report: SyncReport
    if !full, !element.fullSyncNeeded, let cursor = element.syncCursor {
      do {
        report = SyncReport(kind: .incremental)
        try await follow(client, from: cursor, pace: pace, report: &report, on: connection)
      } catch let error as APIError where error.code == .cursorExpired {
        try await noteExpiry(client, on: connection)
        report = try await fullSync(client, pace, on: connection)
      } catch let error as SyncPageError where error.isOtherHistory {
        try await elements.needsFullSync(id, regressed: true, on: connection)
        report = try await fullSync(client, pace, on: connection)
      }
    } else {
      report = try await fullSync(client, pace, on: connection)
    }
    let isDue = element.digestCheckedAt.map { time.now() >= $0 + configuration.digestInterval } ?? true
    if report.kind == .full || isDue || element.syncFault == SyncFault.unequal.rawValue {
      try await prove(client, pace, report: &report, on: connection)
    }
    try await files.tidy(on: connection)
    try await pins.look(client)
    return report
  }

  /// Lists and sweeps everything, then follows the feed from the position before the first page.
  private func fullSync(
    _ client: ApplianceClient, _ pace: SyncPace, on connection: PostgresConnection
  ) async throws -> SyncReport {
    var report = SyncReport(kind: .full)
    do {
      let start = try await FullSync(sync: self, client: client, pace: pace).run(report: &report, on: connection)
      try await follow(client, from: start.cursor, pace: pace, report: &report, on: connection)
      return report
    } catch let error as SyncPageError where error.isOtherHistory {
      // What was listed so far belongs to another history: the next attempt begins anew, and marks nothing unasked.
      try await FullSyncProgress(id: client.element.id, elements: elements).forget(on: connection)
      try await elements.needsFullSync(client.element.id, regressed: true, on: connection)
      throw error
    }
  }

  /// A cursor may expire because the index was rebuilt or a tombstone is too old, or because history went back.
  private func noteExpiry(_ client: ApplianceClient, on connection: PostgresConnection) async throws {
    let info = try await client.info()
    let known = client.element.syncCursor.flatMap { Position(cursor: $0) }
    let epoch = info.epochNumber
    let regressed = known.map { Int64(exactly: $0.epoch) != epoch || $0.lsn > info.lastLSN } ?? false
    logger.warning(
      "fleet.cursor.expired", ["storage_element": .string(client.element.name), "regressed": .bool(regressed)])
    try await elements.needsFullSync(client.element.id, regressed: regressed, on: connection)
  }
}

extension ApplianceInfo {
  /// The epoch as the catalogue orders it; nil beyond 2^63, which no store reaches.
  var epochNumber: Int64? { Self.number(epoch) }

  private static func number(_ epoch: UInt64) -> Int64? { Int64(exactly: epoch) }
  private static func number(_ epoch: String) -> Int64? { Int64(epoch, radix: 16) }
}
