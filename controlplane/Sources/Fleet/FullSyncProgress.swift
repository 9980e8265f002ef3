internal import Catalogue
internal import Core
internal import Postgres
internal import StorageAPI

/// How far a full sync has come: the position before its first page, its ranges, and how much it has marked. All of its
/// SQL is here.
struct FullSyncProgress: Sendable {
  let id: FileID
  let elements: StorageElementTable

  /// The start of an interrupted full sync, if it is not too old to go on with.
  func resume(on connection: PostgresConnection) async throws -> Position? {
    let rows = try await connection.query(
      """
      SELECT start_cursor FROM fleet_full_syncs
      WHERE storage_element_id = \(id) AND started_at > now() - interval '1 day'
      """)
    return try rows.first.flatMap { Position(cursor: try $0.decode("start_cursor")) }
  }

  /// A full sync begins: what earlier ones found missing is counted anew. After an accepted loss, what lies beyond the
  /// appliance's history is taken back to its beginning, so that the listing counts and not what was known.
  func begin(_ start: Position, disowning end: RowPosition, on connection: PostgresConnection) async throws {
    try await forget(on: connection)
    try await elements.beginSweep(id, disowningBeyond: end, on: connection)
    try await connection.query(
      "INSERT INTO fleet_full_syncs (storage_element_id, start_cursor) VALUES (\(id), \(start.cursor))")
  }

  /// Cuts what is left after the first page into `count` ranges of about the same size.
  func split(_ rest: SyncRange?, into count: Int, on connection: PostgresConnection) async throws {
    guard let rest else { return }
    let width = (rest.through.high - rest.after.high) / UInt64(max(count, 1))
    let parts = width == 0 ? 1 : max(count, 1)
    var after = rest.after
    for number in 0..<parts {
      let through =
        number == parts - 1 ? rest.through : FileID(high: rest.after.high + width * UInt64(number + 1), low: .max)
      try await add(SyncRange(number: number, after: after, through: through), on: connection)
      after = through
    }
  }

  func add(_ range: SyncRange, on connection: PostgresConnection) async throws {
    try await connection.query(
      """
      INSERT INTO fleet_full_sync_ranges (storage_element_id, number, next_after, through)
      VALUES (\(id), \(range.number), \(range.after), \(range.through))
      """)
  }

  /// The ranges that are not done yet.
  func ranges(on connection: PostgresConnection) async throws -> [SyncRange] {
    let rows = try await connection.query(
      """
      SELECT number, next_after, through FROM fleet_full_sync_ranges
      WHERE storage_element_id = \(id) AND next_after < through ORDER BY number
      """)
    var ranges: [SyncRange] = []
    for row in rows {
      ranges.append(
        SyncRange(
          number: try row.decode("number"), after: try row.decode("next_after"), through: try row.decode("through")))
    }
    return ranges
  }

  func keep(_ number: Int, rest: SyncRange?, on connection: PostgresConnection) async throws {
    try await connection.query(
      """
      UPDATE fleet_full_sync_ranges SET next_after = coalesce(\(rest?.after), through)
      WHERE storage_element_id = \(id) AND number = \(number)
      """)
  }

  /// What has been marked so far, and whether marking is held. Parallel ranges wait for each other here, and only
  /// when something is missing.
  func lockMarks(on connection: PostgresConnection) async throws -> (marked: Int, isHeld: Bool) {
    let row = try await connection.query(
      """
      SELECT s.marked, e.loss_hold FROM fleet_full_syncs s JOIN storage_elements e ON e.id = s.storage_element_id
      WHERE s.storage_element_id = \(id) FOR UPDATE
      """
    ).first
    guard let row else { throw PostgresError(.decoding, "the full sync's own row is gone") }
    return (try row.decode("marked"), try row.decode("loss_hold"))
  }

  func addMarks(_ count: Int, on connection: PostgresConnection) async throws {
    try await connection.query(
      "UPDATE fleet_full_syncs SET marked = marked + \(count) WHERE storage_element_id = \(id)")
  }

  func finish(_ start: Position, on connection: PostgresConnection) async throws {
    try await connection.transaction { connection in
      try await forget(on: connection)
      try await elements.endSweep(id, on: connection)
      try await elements.advance(id, to: start.cursor, on: connection)
    }
  }

  func forget(on connection: PostgresConnection) async throws {
    try await connection.query("DELETE FROM fleet_full_syncs WHERE storage_element_id = \(id)")
  }
}
