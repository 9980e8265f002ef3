internal import Core
internal import JWT
internal import Postgres

/// Sessions in the shared database, so that any replica of the console serves any browser.
struct PostgresSessionStore: SessionStore {
  let pool: PostgresPool

  /// The module's one table.
  static let migrations: [Migration] = [
    Migration(
      module: "console", number: 1, name: "sessions",
      sql: """
        CREATE TABLE console_sessions (
          key text PRIMARY KEY CHECK (length(key) = 64),
          administrator_id text NOT NULL,
          login text NOT NULL,
          role text NOT NULL CHECK (role IN ('admin', 'readonly')),
          csrf_token text NOT NULL,
          must_change_password boolean NOT NULL,
          created_at timestamptz NOT NULL,
          last_seen_at timestamptz NOT NULL
        );
        CREATE INDEX console_sessions_administrator ON console_sessions (administrator_id);
        CREATE INDEX console_sessions_last_seen ON console_sessions (last_seen_at)
        """)
  ]

  func session(_ key: String) async throws -> Session? {
    let rows = try await pool.query(
      """
      SELECT administrator_id, login, role, csrf_token, must_change_password, created_at, last_seen_at
      FROM console_sessions WHERE key = \(key)
      """)
    return try rows.first.map(Self.session)
  }

  func all(of administratorID: String, at now: Timestamp) async throws -> [(key: String, session: Session)] {
    try await pool.query(
      """
      SELECT key, administrator_id, login, role, csrf_token, must_change_password, created_at, last_seen_at
      FROM console_sessions WHERE administrator_id = \(administratorID)
        AND last_seen_at > \(now - Session.idleLimit) AND created_at > \(now - Session.lifeLimit)
      ORDER BY created_at DESC LIMIT 100
      """
    ).map { (try $0.decode("key"), try Self.session($0)) }
  }

  private static func session(_ row: Row) throws -> Session {
    Session(
      administratorID: try row.decode("administrator_id"), login: try row.decode("login"),
      role: AdminRole(rawValue: try row.decode("role", as: String.self)) ?? .readonly,
      csrfToken: try row.decode("csrf_token"), mustChangePassword: try row.decode("must_change_password"),
      createdAt: try row.decode("created_at"), lastSeenAt: try row.decode("last_seen_at"))
  }

  /// Takes the chance to forget sessions that ended by themselves: there are as many as people sign in.
  func insert(_ key: String, _ session: Session) async throws {
    _ = try await pool.query(
      """
      INSERT INTO console_sessions
        (key, administrator_id, login, role, csrf_token, must_change_password, created_at, last_seen_at)
      VALUES (\(key), \(session.administratorID), \(session.login), \(session.role.rawValue), \(session.csrfToken),
        \(session.mustChangePassword), \(session.createdAt), \(session.lastSeenAt))
      """)
    let idle = session.lastSeenAt - Session.idleLimit
    let old = session.lastSeenAt - Session.lifeLimit
    _ = try await pool.query("DELETE FROM console_sessions WHERE last_seen_at < \(idle) OR created_at < \(old)")
  }

  func touch(_ key: String, at time: Timestamp) async throws {
    _ = try await pool.query("UPDATE console_sessions SET last_seen_at = \(time) WHERE key = \(key)")
  }

  func passwordChanged(_ key: String) async throws {
    _ = try await pool.query("UPDATE console_sessions SET must_change_password = false WHERE key = \(key)")
  }

  func remove(_ key: String) async throws {
    _ = try await pool.query("DELETE FROM console_sessions WHERE key = \(key)")
  }

  func removeAll(of administratorID: String, except key: String?) async throws {
    _ = try await pool.query(
      """
      DELETE FROM console_sessions WHERE administrator_id = \(administratorID) AND key IS DISTINCT FROM \(key)
      """)
  }
}
