internal import Core
internal import Postgres
internal import Service
internal import Telemetry

/// Periodic work that one replica does for all: whichever holds the job's advisory lock. The lock lies on a connection
/// that is held while the work runs, so it goes when the process goes.
struct ReplicaJob: Sendable {
  let name: String
  let pool: PostgresPool
  /// How the lock is told from others': `hashtext` of it.
  private var lockName: String { "artstore job \(name)" }

  func run(_ work: @Sendable () async throws -> String) async throws -> String {
    try await pool.withConnection { connection in
      let isMine = try await connection.query(
        "SELECT pg_try_advisory_lock(hashtext(\(self.lockName)), 0)"
      ).scalar(Bool.self)
      guard isMine else { return "another replica is at it" }
      let result: Result<String, any Error>
      do { result = .success(try await work()) } catch { result = .failure(error) }
      do {
        try await connection.query("SELECT pg_advisory_unlock(hashtext(\(self.lockName)), 0)")
      } catch {
        // The connection is lost, and the lock with it; what the work said matters more, if it failed.
        _ = try result.get()
        throw error
      }
      return try result.get()
    }
  }
}
