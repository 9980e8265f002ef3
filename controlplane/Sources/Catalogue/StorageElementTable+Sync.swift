public import Core
public import Postgres

/// Where the sync of an appliance stands. Written on the connection that holds its advisory lock.
extension StorageElementTable {
  /// The feed was followed up to `cursor`.
  public func advance(_ id: FileID, to cursor: String, on connection: PostgresConnection) async throws(PostgresError) {
    try await connection.query(
      """
      UPDATE storage_elements SET sync_cursor = \(cursor), last_file_sync_at = now(), full_sync_needed = false
      WHERE id = \(id)
      """)
  }

  /// The feed cannot be followed from where we are: the next sync lists everything.
  /// - Parameter regressed: history went back; sweeps only report until the loss is accepted.
  public func needsFullSync(
    _ id: FileID, regressed: Bool, on connection: PostgresConnection
  ) async throws(PostgresError) {
    try await connection.query(
      """
      UPDATE storage_elements SET sync_cursor = NULL, full_sync_needed = true, loss_hold = loss_hold OR \(regressed)
      WHERE id = \(id)
      """)
  }

  /// A sweep would have marked more than it may: nothing is marked until an administrator accepts the loss of `missing`
  /// more files.
  public func holdLoss(
    _ id: FileID, missing: Int, on connection: PostgresConnection
  ) async throws(PostgresError) {
    try await connection.query(
      "UPDATE storage_elements SET loss_hold = true, loss_found = loss_found + \(missing) WHERE id = \(id)")
  }

  /// A full sync begins, and is needed until it ends: what earlier ones found missing is counted anew.
  /// After an accepted loss, positions beyond the appliance's history (`end`) are disowned: those rows stand at the
  /// beginning, where any listing overwrites them.
  public func beginSweep(
    _ id: FileID, disowningBeyond end: RowPosition, on connection: PostgresConnection
  ) async throws(PostgresError) {
    let disowns = try await connection.query(
      """
      UPDATE storage_elements e SET loss_found = 0, positions_disowned = false, full_sync_needed = true
      FROM (SELECT id, positions_disowned AS was FROM storage_elements WHERE id = \(id) FOR UPDATE) AS before
      WHERE e.id = before.id RETURNING before.was
      """
    ).first.map { (row) throws(PostgresError) in try row.decode("was", as: Bool.self) }
    guard disowns == true else { return }
    try await connection.query(
      """
      UPDATE files SET epoch = least(epoch, \(end.epoch)), lsn = 0
      WHERE appliance_id = \(id) AND (epoch, lsn) > (\(end.epoch), \(end.lsn))
      """, timeout: .seconds(600))
  }

  /// A full sync has ended: what was accepted counted for it alone.
  public func endSweep(_ id: FileID, on connection: PostgresConnection) async throws(PostgresError) {
    try await connection.query("UPDATE storage_elements SET loss_accepted = 0 WHERE id = \(id)")
  }

  /// The next sync lists everything, and its sweep may mark as many files as were found missing. More than those are
  /// another loss, to be accepted again. If history went back, the appliance's word counts from now on.
  public func acceptLoss(_ id: FileID, on connection: PostgresConnection) async throws(PostgresError) {
    try await connection.query(
      """
      UPDATE storage_elements SET loss_accepted = loss_found, positions_disowned = positions_disowned OR loss_hold,
        loss_hold = false, loss_found = 0, full_sync_needed = true, sync_failed_at = NULL, updated_at = now()
      WHERE id = \(id)
      """)
  }

  /// A sync ended; `fault` says what is not as it should be all the same. The fault that stood before.
  public func synced(
    _ id: FileID, fault: String?, error: String?, on connection: PostgresConnection
  ) async throws(PostgresError) -> String? {
    try await connection.query(
      """
      UPDATE storage_elements e SET last_sync_at = now(), sync_failed_at = NULL, sync_fault = \(fault),
        sync_error = \(error), last_error = \(error)
      FROM (SELECT id, sync_fault FROM storage_elements WHERE id = \(id) FOR UPDATE) AS before
      WHERE e.id = before.id RETURNING before.sync_fault AS fault
      """
    ).first.flatMap { (row) throws(PostgresError) in try row.decode("fault", as: String?.self) }
  }

  /// A sync failed; `error` is for the administrator. The fault that stood before.
  public func syncFailed(
    _ id: FileID, fault: String, error: String
  ) async throws(PostgresError) -> String? {
    try await pool.query(
      """
      UPDATE storage_elements e SET sync_failed_at = now(), sync_fault = \(fault), sync_error = \(error),
        last_error = \(error)
      FROM (SELECT id, sync_fault FROM storage_elements WHERE id = \(id) FOR UPDATE) AS before
      WHERE e.id = before.id RETURNING before.sync_fault AS fault
      """
    ).first.flatMap { (row) throws(PostgresError) in try row.decode("fault", as: String?.self) }
  }

  /// Bytes a second that a bound on syncs may be.
  public static let syncRates = 1024...1_000_000_000_000

  /// How fast syncs may read from it; nil: as fast as it gives.
  public func setSyncRate(_ id: FileID, bytesPerSecond: Int?) async throws(PostgresError) {
    try await pool.query(
      "UPDATE storage_elements SET sync_bytes_per_second = \(bytesPerSecond), updated_at = now() WHERE id = \(id)")
  }
}
