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

  /// A sweep would have marked more than it may: nothing is marked until an administrator accepts the loss.
  public func holdLoss(_ id: FileID, on connection: PostgresConnection) async throws(PostgresError) {
    try await connection.query("UPDATE storage_elements SET loss_hold = true WHERE id = \(id)")
  }

  /// Sweeps may mark again, and the next sync lists everything.
  public func acceptLoss(_ id: FileID) async throws(PostgresError) {
    try await pool.query(
      """
      UPDATE storage_elements SET loss_hold = false, full_sync_needed = true, updated_at = now() WHERE id = \(id)
      """)
  }

  /// A sync ended, well or not; `error` is for the administrator.
  public func synced(_ id: FileID, error: String?) async throws(PostgresError) {
    try await pool.query(
      """
      UPDATE storage_elements SET last_sync_at = CASE WHEN \(error)::text IS NULL THEN now() ELSE last_sync_at END,
        last_error = \(error)
      WHERE id = \(id)
      """)
  }
}
