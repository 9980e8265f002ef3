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

  /// A full sync begins: what earlier ones found missing is counted anew.
  public func beginSweep(_ id: FileID, on connection: PostgresConnection) async throws(PostgresError) {
    try await connection.query("UPDATE storage_elements SET loss_found = 0 WHERE id = \(id)")
  }

  /// A full sync has ended: what was accepted counted for it alone.
  public func endSweep(_ id: FileID, on connection: PostgresConnection) async throws(PostgresError) {
    try await connection.query("UPDATE storage_elements SET loss_accepted = 0 WHERE id = \(id)")
  }

  /// The next sync lists everything, and its sweep may mark as many files as were found missing. More than those are
  /// another loss, to be accepted again.
  public func acceptLoss(_ id: FileID, on connection: PostgresConnection) async throws(PostgresError) {
    try await connection.query(
      """
      UPDATE storage_elements SET loss_hold = false, loss_accepted = loss_found, loss_found = 0,
        full_sync_needed = true, sync_failed_at = NULL, updated_at = now() WHERE id = \(id)
      """)
  }

  /// A sync ended well. On the connection that holds the lock: whoever lost it has not ended well.
  public func synced(_ id: FileID, on connection: PostgresConnection) async throws(PostgresError) {
    try await connection.query(
      "UPDATE storage_elements SET last_sync_at = now(), sync_failed_at = NULL, last_error = NULL WHERE id = \(id)")
  }

  /// A sync failed; `error` is for the administrator.
  public func syncFailed(_ id: FileID, error: String) async throws(PostgresError) {
    try await pool.query(
      "UPDATE storage_elements SET sync_failed_at = now(), last_error = \(error) WHERE id = \(id)")
  }
}
