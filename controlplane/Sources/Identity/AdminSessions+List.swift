public import Core
internal import HTTP
internal import Postgres

/// A login with the API that is still good: what its owner and administrators see of it.
public struct SessionInfo: Sendable, Hashable, Codable {
  public let id: FileID
  /// Where the login came from.
  public let source: String
  public let createdAt: Timestamp
  /// When its tokens were last issued or refreshed.
  public let lastUsedAt: Timestamp
  /// When it ends if nobody refreshes it.
  public let expiresAt: Timestamp

  enum CodingKeys: String, CodingKey {
    case id, source
    case createdAt = "created_at"
    case lastUsedAt = "last_used_at"
    case expiresAt = "expires_at"
  }
}

extension AdminSessions {
  /// The living sessions of an administrator, newest first.
  public func list(
    of administrator: FileID, limit: Int, offset: Int = 0, before cursor: String? = nil
  ) async throws -> (items: [SessionInfo], total: Int) {
    let living: Query = """
      FROM identity_refresh_families f JOIN identity_refresh_tokens t ON t.family_id = f.id
      WHERE f.administrator_id = \(administrator) AND f.revoked_at IS NULL
      GROUP BY f.id HAVING max(t.expires_at) FILTER (WHERE t.used_at IS NULL) > \(time.now())
      """
    var page: Query = """
      SELECT f.id, f.source, f.created_at, max(t.issued_at) AS last_used_at,
        max(t.expires_at) FILTER (WHERE t.used_at IS NULL) AS expires_at \(living)
      """
    if let id = cursor.flatMap({ FileID($0) }) {
      page += """
         AND (f.created_at, f.id) < (SELECT c.created_at, c.id FROM identity_refresh_families c WHERE c.id = \(id))
        """
    }
    page += " ORDER BY f.created_at DESC, f.id DESC LIMIT \(limit) OFFSET \(cursor == nil ? offset : 0)"
    let items = try await pool.query(page).map { row in
      SessionInfo(
        id: try row.decode("id"), source: try row.decode("source"), createdAt: try row.decode("created_at"),
        lastUsedAt: try row.decode("last_used_at"), expiresAt: try row.decode("expires_at"))
    }
    let total = try await pool.query("SELECT count(*) FROM (SELECT f.id \(living)) living").scalar(Int.self)
    return (items, total)
  }

  /// Ends one session of an administrator: its refresh token and every access token it gave. NOT_FOUND for a session
  /// of somebody else, and for one that ended already.
  public func end(_ session: FileID, of administrator: Administrator, by actor: Actor) async throws {
    try await pool.transaction { connection in
      let ended = try await connection.query(
        """
        UPDATE identity_refresh_families SET revoked_at = \(self.time.now())
        WHERE id = \(session) AND administrator_id = \(administrator.id) AND revoked_at IS NULL
        """
      ).affected
      guard ended == 1 else { throw APIError(.notFound, "this session does not exist, or has ended already") }
      let tokens = try await connection.query(
        """
        SELECT access_id FROM identity_refresh_tokens
        WHERE family_id = \(session) AND access_id IS NOT NULL AND issued_at > \(self.time.now() - .seconds(7200))
        ORDER BY issued_at DESC LIMIT 1000
        """
      ).map { try $0.decode(0, as: String.self) }
      for token in tokens {
        try await self.administrators.revocations.revoke(tokenID: token, on: connection)
      }
      try await self.audit.record(
        actor.did(
          "session.end", on: administrator.login, details: ["session": .string(session.description)]),
        on: connection)
    }
  }

  /// Ends all of them, and every access token.
  public func endAll(of administrator: Administrator, by actor: Actor) async throws {
    try await pool.transaction { connection in
      try await self.administrators.endSessions(of: administrator, on: connection)
      try await self.audit.record(actor.did("session.end_all", on: administrator.login), on: connection)
    }
  }
}
