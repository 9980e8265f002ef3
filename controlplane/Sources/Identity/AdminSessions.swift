public import Core
internal import Crypto
internal import HTTP
public import JWT
internal import Postgres

/// What a login or refresh gives.
public struct SessionTokens: Sendable {
  public let access: IssuedToken
  public let refresh: String
  public let refreshExpiresAt: Timestamp
  public let administrator: Administrator
}

/// Logging in and staying so. Access tokens live 30 min; refresh tokens 7 days, each good for one use: presenting a
/// used one is taken as theft and ends the whole family (RFC 9700 §4.14.2).
public struct AdminSessions: Sendable {
  let pool: PostgresPool
  let administrators: Administrators
  let secondFactor: SecondFactor
  let tokens: AccessTokens
  let time: any TimeSource
  let random: any RandomSource
  let settings: @Sendable () -> IdentitySettings

  private var audit: Audit { administrators.audit }

  /// Checks login, password and, where one is set up, the second factor (`code` from the app, or a recovery code).
  /// Issues nothing: for the console, which keeps its own sessions. Throws `APIError` UNAUTHORIZED (the same for every
  /// reason), UNAUTHORIZED with `details.second_factor_required`, or ACCOUNT_LOCKED.
  public func authenticate(
    login: String, password: String, code: String? = nil, source: String = "", trace: String = ""
  ) async throws -> Administrator {
    let actor = Actor(subject: login.cut(to: 64), source: source, trace: trace)
    guard login.utf8.count <= 256, !login.contains("\0") else { throw Self.refusal }
    do {
      try await administrators.attempts.begin(login)
    } catch let error as APIError where error.code == .accountLocked {
      try await audit.record(
        actor.did("login", on: actor.subject, result: .refused, details: ["why": .string("locked")]))
      throw error
    }
    let row = try await pool.query(
      """
      SELECT id, password_hash, status FROM identity_administrators WHERE lower(login) = lower(\(login))
      """
    ).first
    let isRight = try await administrators.passwords.verify(
      password, against: try row?.decode("password_hash", as: String.self))
    guard let row, isRight, try row.decode("status", as: String.self) == AccountStatus.active.rawValue else {
      try await audit.record(
        actor.did("login", on: actor.subject, result: .refused, details: ["why": .string("credentials")]))
      throw Self.refusal
    }
    let id = try row.decode("id", as: FileID.self)
    let administrator = try await administrators.get(id)
    if administrator.hasSecondFactor {
      try await checkSecondFactor(administrator, code: code, actor: actor)
    }
    try await pool.transaction { connection in
      try await self.administrators.attempts.clear(login, on: connection)
      try await connection.query(
        "UPDATE identity_administrators SET last_login_at = \(self.time.now()) WHERE id = \(id)")
      try await self.audit.record(actor.did("login", on: administrator.login), on: connection)
    }
    return administrator
  }

  /// `authenticate`, then tokens. With a password that must be changed first, the access token has no scopes: it is
  /// good for `me`, `change-password` and `logout` only.
  public func login(
    login: String, password: String, code: String? = nil, source: String = "", trace: String = ""
  ) async throws -> SessionTokens {
    let administrator = try await authenticate(
      login: login, password: password, code: code, source: source, trace: trace)
    let family = FileID.random(random)
    return try await pool.transaction { connection in
      try await connection.query(
        """
        INSERT INTO identity_refresh_families (id, administrator_id, created_at)
        VALUES (\(family), \(administrator.id), \(self.time.now()))
        """)
      return try await self.issue(administrator, family: family, on: connection)
    }
  }

  /// Trades a refresh token for new tokens.
  public func refresh(_ token: String, source: String = "", trace: String = "") async throws -> SessionTokens {
    let now = time.now()
    let outcome: Outcome = try await pool.transaction { connection in
      guard let row = try await self.find(token, on: connection) else { return .refused("unknown", nil) }
      let login = try row.decode("login", as: String.self)
      if try row.decode("revoked_at", as: Timestamp?.self) != nil { return .refused("revoked", login) }
      let family = try row.decode("family_id", as: FileID.self)
      if try row.decode("used_at", as: Timestamp?.self) != nil {
        try await self.end(family, on: connection)
        try await self.administrators.revocations.revokeAll(of: login, on: connection)
        return .refused("reused", login)
      }
      guard try row.decode("expires_at", as: Timestamp.self) > now else { return .refused("expired", login) }
      guard try row.decode("status", as: String.self) == AccountStatus.active.rawValue else {
        return .refused("suspended", login)
      }
      try await connection.query(
        "UPDATE identity_refresh_tokens SET used_at = \(now) WHERE token_hash = \(Self.hash(token))")
      let administrator = try await self.administrators.get(
        try row.decode("administrator_id", as: FileID.self), on: connection)
      return .issued(try await self.issue(administrator, family: family, on: connection))
    }
    switch outcome {
    case .issued(let tokens): return tokens
    case .refused(let why, let login):
      if let login {
        let actor = Actor(subject: login, source: source, trace: trace)
        try await audit.record(actor.did("token.refresh", on: login, result: .refused, details: ["why": .string(why)]))
      }
      throw APIError(.unauthorized, "the refresh token is not valid (any more); log in again")
    }
  }

  /// Ends the session: the family of the refresh token if one is given, and the access token. Unknown tokens are no
  /// error.
  public func logout(access: TokenClaims, refresh: String?, by actor: Actor) async throws {
    try await pool.transaction { connection in
      try await self.administrators.revocations.revoke(access, on: connection)
      if let refresh, let row = try await self.find(refresh, on: connection),
        try row.decode("login", as: String.self) == access.subject
      {
        try await self.end(try row.decode("family_id", as: FileID.self), on: connection)
      }
      try await self.audit.record(actor.did("logout", on: access.subject), on: connection)
    }
  }

  /// Whether the refresh token would still be taken, and whose it is (RFC 7662).
  func inspect(_ token: String) async throws -> (login: String, issuedAt: Timestamp, expiresAt: Timestamp)? {
    try await pool.withConnection { connection in
      guard let row = try await self.find(token, on: connection),
        try row.decode("revoked_at", as: Timestamp?.self) == nil, try row.decode("used_at", as: Timestamp?.self) == nil,
        try row.decode("expires_at", as: Timestamp.self) > self.time.now()
      else { return nil }
      return (try row.decode("login"), try row.decode("issued_at"), try row.decode("expires_at"))
    }
  }

  /// Ends the family of a refresh token of `login` (RFC 7009). Unknown tokens are no error.
  func revoke(_ token: String, of login: String) async throws {
    try await pool.transaction { connection in
      guard let row = try await self.find(token, on: connection), try row.decode("login", as: String.self) == login
      else { return }
      try await self.end(try row.decode("family_id", as: FileID.self), on: connection)
    }
  }

  func purge() async throws -> Int {
    try await pool.query(
      """
      DELETE FROM identity_refresh_families f WHERE NOT EXISTS (
        SELECT 1 FROM identity_refresh_tokens t WHERE t.family_id = f.id AND t.expires_at > \(time.now()))
      """
    ).affected
  }

  private enum Outcome {
    case issued(SessionTokens)
    case refused(String, String?)
  }
}

extension AdminSessions {
  static let refusal = APIError(.unauthorized, "login or password is wrong, or the account is suspended")

  private func checkSecondFactor(_ administrator: Administrator, code: String?, actor: Actor) async throws {
    guard let code, !code.isEmpty else {
      throw APIError(
        .unauthorized, "this account has a second factor; send its code as 'totp_code'",
        details: ["second_factor_required": .bool(true)])
    }
    guard try await secondFactor.accept(code, of: administrator.id) else {
      try await audit.record(
        actor.did("login", on: administrator.login, result: .refused, details: ["why": .string("second factor")]))
      throw APIError(
        .unauthorized, "the code of the second factor is wrong or was used already",
        details: ["second_factor_required": .bool(true)])
    }
  }

  private func issue(
    _ administrator: Administrator, family: FileID, on connection: PostgresConnection
  ) async throws -> SessionTokens {
    let settings = settings()
    let now = time.now()
    let refresh = "asr_" + Base64.url.encode(random.bytes(32))
    let expiry = now + settings.refreshTokenLife
    try await connection.query(
      """
      INSERT INTO identity_refresh_tokens (token_hash, family_id, issued_at, expires_at)
      VALUES (\(Self.hash(refresh)), \(family), \(now), \(expiry))
      """)
    let mustChange = administrator.mustChangePassword
    let access = try await tokens.issue(
      subject: administrator.login, scopes: mustChange ? [] : administrator.role.scopes,
      role: mustChange ? nil : administrator.role, lifetime: settings.accessTokenLife, on: connection)
    return SessionTokens(
      access: access, refresh: refresh, refreshExpiresAt: expiry, administrator: administrator)
  }

  /// The token's row, its family and its owner, locked against a second use at the same moment.
  private func find(_ token: String, on connection: PostgresConnection) async throws -> Row? {
    guard token.utf8.count <= 200 else { return nil }
    return try await connection.query(
      """
      SELECT t.family_id, t.issued_at, t.expires_at, t.used_at, f.revoked_at, f.administrator_id, a.login, a.status
      FROM identity_refresh_tokens t
      JOIN identity_refresh_families f ON f.id = t.family_id
      JOIN identity_administrators a ON a.id = f.administrator_id
      WHERE t.token_hash = \(Self.hash(token)) FOR UPDATE OF t, f
      """
    ).first
  }

  private func end(_ family: FileID, on connection: PostgresConnection) async throws {
    try await connection.query(
      "UPDATE identity_refresh_families SET revoked_at = coalesce(revoked_at, \(time.now())) WHERE id = \(family)")
  }

  /// 256 random bits need no slow hash.
  private static func hash(_ token: String) -> Checksum { SHA256.digest(Array(token.utf8)) }
}
