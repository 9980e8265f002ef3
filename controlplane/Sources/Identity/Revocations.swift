internal import Core
public import JWT
internal import Postgres
internal import Synchronization

/// Tokens that end before they expire: single ones (logout, RFC 7009), and all of a subject issued before some moment
/// (suspension, password reset). In PostgreSQL, with a copy in every replica that is at most `IdentityService`'s
/// refresh interval old. Rows leave when the last token they could concern has expired.
public final class Revocations: Sendable {
  private let pool: PostgresPool
  private let time: any TimeSource
  private let state = Mutex(State())

  private struct State: Sendable {
    var tokens: Set<String> = []
    var subjects: [String: Timestamp] = [:]
  }

  /// Longer than any access token lives, leeway included.
  private static let horizon: Duration = .seconds(2 * 3600)
  /// How far clocks of replicas may be apart without a token of before a revocation surviving it.
  static let clockMargin: Duration = .seconds(1)

  init(pool: PostgresPool, time: any TimeSource) {
    self.pool = pool
    self.time = time
  }

  /// Whether this token was ended.
  public func covers(_ claims: TokenClaims) -> Bool {
    state.withLock { state in
      if state.tokens.contains(claims.tokenID) { return true }
      guard let before = state.subjects[claims.subject] else { return false }
      return (TokenID.moment(of: claims.tokenID) ?? claims.issuedAt) < before
    }
  }

  /// The earliest stamp a new token of the subject may carry without being covered itself, as far as this replica
  /// knows.
  func earliestIssue(for subject: String) -> Timestamp? { state.withLock { $0.subjects[subject] } }

  /// The same as the database knows it: another replica may have revoked a moment ago.
  func earliestIssue(for subject: String, on connection: PostgresConnection) async throws -> Timestamp? {
    try await connection.query(
      "SELECT before FROM identity_revocations WHERE kind = 'subject' AND value = \(subject)"
    ).first.map { try $0.decode(0) }
  }

  func revoke(_ claims: TokenClaims, on connection: PostgresConnection) async throws {
    try await insert("token", claims.tokenID, before: time.now(), on: connection)
    _ = state.withLock { $0.tokens.insert(claims.tokenID) }
  }

  /// Ends every token of the subject issued until now. The stamp lies `clockMargin` ahead, for tokens of a replica
  /// whose clock is fast, and after the one before: what was made between two revocations has the first one's stamp.
  func revokeAll(of subject: String, on connection: PostgresConnection) async throws {
    let before = try await insert("subject", subject, before: time.now() + Self.clockMargin, on: connection)
    state.withLock { $0.subjects[subject] = before }
  }

  @discardableResult
  private func insert(
    _ kind: String, _ value: String, before: Timestamp, on connection: PostgresConnection
  ) async throws -> Timestamp {
    try await connection.query(
      """
      INSERT INTO identity_revocations (kind, value, before, expires_at)
      VALUES (\(kind), \(value), \(before), \(time.now() + Self.horizon))
      ON CONFLICT (kind, value) DO UPDATE SET
        before = greatest(identity_revocations.before + interval '1 microsecond', excluded.before),
        expires_at = greatest(identity_revocations.expires_at, excluded.expires_at)
      RETURNING before
      """
    ).scalar(Timestamp.self)
  }

  /// Reads all of them again. They are few: each lives two hours.
  func load() async throws {
    let known = state.withLock { $0 }
    let rows = try await pool.query(
      "SELECT kind, value, before FROM identity_revocations WHERE expires_at > \(time.now()) LIMIT 100000")
    var fresh = State()
    for row in rows {
      let value = try row.decode(1, as: String.self)
      if try row.decode(0, as: String.self) == "token" {
        fresh.tokens.insert(value)
      } else {
        fresh.subjects[value] = try row.decode(2, as: Timestamp.self)
      }
    }
    // What this replica revoked while the rows were on their way stays: it is in the next answer.
    state.withLock { state in
      fresh.tokens.formUnion(state.tokens.subtracting(known.tokens))
      fresh.subjects.merge(state.subjects.filter { known.subjects[$0.key] != $0.value }) { max($0, $1) }
      state = fresh
    }
  }

  func purge() async throws -> Int {
    try await pool.query("DELETE FROM identity_revocations WHERE expires_at < \(time.now())").affected
  }
}
