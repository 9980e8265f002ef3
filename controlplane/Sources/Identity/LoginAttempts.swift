internal import Core
internal import Crypto
internal import HTTP
internal import Postgres

/// Counts wrong passwords by the login's hash, whether such an administrator exists or not, in PostgreSQL so that all
/// replicas count together. An attempt is counted before the password is looked at: parallel guesses get no more
/// tries than guesses one by one.
struct LoginAttempts: Sendable {
  let pool: PostgresPool
  let time: any TimeSource
  let settings: @Sendable () -> IdentitySettings

  /// Failures this long ago are forgotten.
  private static let memory: Duration = .seconds(3600)

  /// Counts one attempt. Throws ACCOUNT_LOCKED with `Retry-After` when there were too many.
  func begin(_ login: String) async throws {
    let now = time.now()
    let settings = settings()
    let row = try await pool.query(
      """
      INSERT INTO identity_login_failures AS f (login_hash, failures, last_at, locked_until)
      VALUES (\(Self.hash(login)), 1, \(now), NULL)
      ON CONFLICT (login_hash) DO UPDATE SET
        failures = CASE
          WHEN f.locked_until > \(now) THEN f.failures + 1
          WHEN f.locked_until IS NOT NULL OR f.last_at < \(now - Self.memory) THEN 1
          ELSE f.failures + 1 END,
        locked_until = CASE
          WHEN f.locked_until > \(now) THEN f.locked_until
          WHEN f.locked_until IS NOT NULL OR f.last_at < \(now - Self.memory) THEN NULL
          WHEN f.failures + 1 >= \(settings.loginFailuresMax) THEN \(now + settings.lockDuration)
          END,
        last_at = \(now)
      RETURNING failures, locked_until
      """)
    guard let row = row.first, try row.decode(0, as: Int.self) > settings.loginFailuresMax,
      let until = try row.decode(1, as: Timestamp?.self)
    else { return }
    throw Self.locked(until: until, now: now)
  }

  /// After a right password, an unlock or a reset.
  func clear(_ login: String, on connection: PostgresConnection) async throws {
    try await connection.query("DELETE FROM identity_login_failures WHERE login_hash = \(Self.hash(login))")
  }

  func purge() async throws -> Int {
    let now = time.now()
    return try await pool.query(
      """
      DELETE FROM identity_login_failures
      WHERE last_at < \(now - Self.memory) AND (locked_until IS NULL OR locked_until < \(now))
      """
    ).affected
  }

  static func hash(_ login: String) -> Checksum { SHA256.digest(Array(login.lowercased().utf8)) }

  static func locked(until: Timestamp, now: Timestamp) -> APIError {
    let seconds = max(1, until.seconds - now.seconds)
    return APIError(
      .accountLocked,
      "too many wrong passwords; try again in \(seconds) s, or let another administrator unlock the account",
      details: ["locked_until": .string(until.description)], headers: ["Retry-After": String(seconds)])
  }
}
