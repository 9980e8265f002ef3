internal import Catalogue
internal import Core
internal import HTTP
internal import Postgres
internal import StorageAPI
internal import Telemetry

extension FleetSync {
  /// Follows the change feed from `cursor` to its end. Each page and its cursor are one transaction, so that a sync
  /// that is cut off goes on where it was.
  func follow(
    _ client: ApplianceClient, from cursor: String, pace: SyncPace, report: inout SyncReport,
    on connection: PostgresConnection
  ) async throws {
    var cursor = cursor
    for _ in 0..<configuration.feedPagesMax {
      guard let known = Position(cursor: cursor) else { throw SyncPageError.badClosing }
      let (page, counts) = try await feedPage(client, after: cursor, at: known, pace: pace, on: connection)
      note(page, of: client, report: &report)
      report.add(counts)
      guard let closing = page.closing, closing.more else { return }
      cursor = closing.cursor
    }
    throw SyncPageError.endless
  }

  private func feedPage(
    _ client: ApplianceClient, after cursor: String, at known: Position, pace: SyncPace,
    on connection: PostgresConnection
  ) async throws -> (page: SyncPage, counts: SyncCounts) {
    let (id, lines) = (client.element.id, pace.lines(most: configuration.pageLinesMax))
    let response = try await client.changes(after: cursor, limit: lines)
    var reader = SyncPageReader(response, linesMax: lines, scope: .feed, pace: pace)
    return try await connection.transaction { connection in
      let staged = try await files.stage(on: connection, timeout: Self.pageTimeout) { try await reader.next() }
      let page = reader.page
      guard let closing = page.closing, let end = RowPosition(closing.position) else { throw SyncPageError.badClosing }
      guard closing.position.epoch == known.epoch else { throw SyncPageError.otherEpoch }
      guard closing.position.lsn >= known.lsn else { throw SyncPageError.wentBack }
      guard page.highestLSN <= end.lsn else { throw SyncPageError.beyondPosition }
      guard !closing.more || (closing.position.lsn > known.lsn && page.rows + page.rejected > 0) else {
        throw SyncPageError.stuck
      }
      let counts = try await files.apply(
        StagedPage(owner: id, epoch: end.epoch, rows: staged, hasRepeatedIDs: page.hasRepeatedIDs), sweep: nil,
        on: connection)
      try await elements.advance(id, to: closing.cursor, on: connection)
      return (page, counts)
    }
  }

  func note(_ page: SyncPage, of client: ApplianceClient, report: inout SyncReport) {
    report.rejected += page.rejected
    guard page.rejected > 0 else { return }
    report.complaint = report.complaint ?? page.complaints.first
    logger.warning(
      "fleet.sync.rejected",
      [
        "storage_element": .string(client.element.name), "lines": .integer(page.rejected),
        "first": .string(page.complaints.joined(separator: "; ")),
      ])
  }
}

extension Position {
  /// Whether a listing begun at this position may go on at `other`.
  func isSameHistory(as other: Position) -> Bool { epoch == other.epoch && generation == other.generation }
}
