internal import Catalogue
internal import Core
internal import HTTP
internal import Postgres
internal import StorageAPI
internal import Telemetry

extension FleetSync {
  /// Follows the change feed from `cursor` to its end. Each page and its cursor are one transaction.
  func follow(
    _ client: ApplianceClient, from cursor: String, report: inout SyncReport, on connection: PostgresConnection
  ) async throws {
    var cursor = cursor
    while true {
      let response = try await client.changes(after: cursor, limit: configuration.pageLinesMax)
      let page = try await SyncPage.read(response, linesMax: configuration.pageLinesMax)
      guard let closing = page.closing, let end = RowPosition(closing.position) else { throw SyncPageError.badClosing }
      note(page, of: client, report: &report)
      let id = client.element.id
      let counts = try await connection.transaction { connection in
        let counts = try await files.apply(page.rows, owner: id, epoch: end.epoch, sweep: nil, on: connection)
        try await elements.advance(id, to: closing.cursor, on: connection)
        return counts
      }
      report.add(counts)
      if !closing.more { return }
      guard closing.cursor != cursor else { throw SyncPageError.stuck }
      cursor = closing.cursor
    }
  }

  /// Lists everything by id ranges, sweeps each range, then follows the feed from the position before the first page.
  /// Interrupted, it goes on from the last range.
  func fullSync(_ client: ApplianceClient, on connection: PostgresConnection) async throws -> SyncReport {
    var report = SyncReport(kind: .full)
    let id = client.element.id
    var progress = try await resume(id, on: connection)
    let active = try await files.totals(owner: id)["active"]?.files ?? 0
    let element = try await elements.element(id)
    let marksMax = max(Self.marksMax, active / 100, element?.lossAccepted ?? 0)
    var hold = element?.lossHold ?? true
    if progress == nil { try await elements.beginSweep(id, on: connection) }
    while true {
      let after = progress?.after ?? .lowest
      let response = try await client.range(after: after, until: .highest, limit: configuration.pageLinesMax)
      var page = try await SyncPage.read(response, linesMax: configuration.pageLinesMax)
      guard let closing = page.closing, let position = RowPosition(closing.position) else {
        throw SyncPageError.badClosing
      }
      if let start = progress?.start, !start.isSameHistory(as: closing.position) {
        try await forget(id, on: connection)
        throw SyncPageError.otherEpoch
      }
      var through = FileID.highest
      if closing.more {
        guard let last = (page.rows.map(\.fileID) + page.refusedIDs).max(), last > after else {
          throw SyncPageError.stuck
        }
        through = last
      }
      page.keep(after: after, through: through)
      note(page, of: client, report: &report)
      let start = progress?.start ?? closing.position
      let budget = hold ? 0 : marksMax - (progress?.marked ?? 0)
      // A page with refused lines cannot say what is not there: their ids may be among what was refused.
      let sweep = SyncSweep(after: after, through: through, position: position, budget: max(budget, 0))
      let mayTrust = page.rejected == 0
      let (rows, marked) = (page.rows, progress?.marked ?? 0)
      let counts = try await connection.transaction { connection in
        let counts = try await files.apply(
          rows, owner: id, epoch: position.epoch, sweep: mayTrust ? sweep : nil, on: connection)
        let next = Progress(start: start, after: through, marked: marked + counts.marked)
        try await keep(next, of: id, on: connection)
        if counts.missing > counts.marked {
          try await elements.holdLoss(id, missing: counts.missing - counts.marked, on: connection)
        }
        return counts
      }
      report.add(counts)
      if counts.missing > counts.marked { hold = true }
      progress = Progress(start: start, after: through, marked: marked + counts.marked)
      if !closing.more { break }
    }
    report.isHeld = hold
    try await finish(id, start: progress?.start, on: connection)
    if let start = progress?.start { try await follow(client, from: start.cursor, report: &report, on: connection) }
    return report
  }

  private func note(_ page: SyncPage, of client: ApplianceClient, report: inout SyncReport) {
    report.rejected += page.rejected
    guard page.rejected > 0 else { return }
    logger.warning(
      "fleet.sync.rejected",
      [
        "storage_element": .string(client.element.name), "lines": .integer(page.rejected),
        "first": .string(page.complaints.joined(separator: "; ")),
      ])
  }

  // MARK: progress of a full sync

  private struct Progress {
    let start: Position
    let after: FileID
    let marked: Int
  }

  /// What an interrupted full sync left, if it is not too old to go on with.
  private func resume(_ id: FileID, on connection: PostgresConnection) async throws -> Progress? {
    let rows = try await connection.query(
      """
      SELECT start_cursor, next_after, marked FROM fleet_full_syncs
      WHERE storage_element_id = \(id) AND started_at > now() - interval '1 day'
      """)
    guard let row = rows.first, let start = Position(cursor: try row.decode("start_cursor")) else { return nil }
    return Progress(start: start, after: try row.decode("next_after"), marked: try row.decode("marked"))
  }

  private func keep(_ progress: Progress, of id: FileID, on connection: PostgresConnection) async throws {
    try await connection.query(
      """
      INSERT INTO fleet_full_syncs (storage_element_id, start_cursor, next_after, marked)
      VALUES (\(id), \(progress.start.cursor), \(progress.after), \(progress.marked))
      ON CONFLICT (storage_element_id) DO UPDATE SET start_cursor = excluded.start_cursor,
        next_after = excluded.next_after, marked = excluded.marked,
        started_at = CASE WHEN fleet_full_syncs.start_cursor = excluded.start_cursor
          THEN fleet_full_syncs.started_at ELSE now() END
      """)
  }

  func forget(_ id: FileID, on connection: PostgresConnection) async throws {
    try await connection.query("DELETE FROM fleet_full_syncs WHERE storage_element_id = \(id)")
  }

  private func finish(_ id: FileID, start: Position?, on connection: PostgresConnection) async throws {
    try await connection.transaction { connection in
      try await forget(id, on: connection)
      try await elements.endSweep(id, on: connection)
      if let start { try await elements.advance(id, to: start.cursor, on: connection) }
    }
  }
}

extension Position {
  /// Whether a listing begun at this position may go on at `other`.
  func isSameHistory(as other: Position) -> Bool { epoch == other.epoch && generation == other.generation }
}
