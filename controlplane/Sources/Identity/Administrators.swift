public import Core
internal import HTTP
internal import JWT
internal import Postgres

/// The people who run the fleet. Client-visible errors are `APIError`.
public struct Administrators: Sendable {
  let pool: PostgresPool
  let audit: Audit
  let revocations: Revocations
  let passwords: PasswordHashing
  let attempts: LoginAttempts
  let time: any TimeSource
  let random: any RandomSource

  /// In order of login.
  public func list(
    limit: Int, offset: Int = 0, after cursor: String? = nil
  ) async throws -> (items: [Administrator], total: Int) {
    var query = select()
    if let cursor { query += " WHERE lower(a.login) > \(cursor)" }
    query += " ORDER BY lower(a.login) LIMIT \(limit) OFFSET \(cursor == nil ? offset : 0)"
    let items = try await pool.query(query).map { try Administrator($0) }
    let total = try await pool.query("SELECT count(*) FROM identity_administrators").scalar(Int.self)
    return (items, total)
  }

  public func get(_ id: FileID) async throws -> Administrator {
    let rows = try await pool.query(select() + " WHERE a.id = \(id)")
    return try Administrator(try rows.only(orNotFound: "administrator \(id)"))
  }

  /// Inside a transaction: on its connection, so that no task holds one while it waits for another.
  func get(_ id: FileID, on connection: PostgresConnection) async throws -> Administrator {
    let rows = try await connection.query(select() + " WHERE a.id = \(id)")
    return try Administrator(try rows.only(orNotFound: "administrator \(id)"))
  }

  public func get(login: String) async throws -> Administrator {
    let rows = try await pool.query(select() + " WHERE lower(a.login) = lower(\(login.cut(to: 100)))")
    return try Administrator(try rows.only(orNotFound: "this administrator"))
  }

  public func create(_ draft: AdministratorDraft, by actor: Actor) async throws -> AdministratorWithPassword {
    let login = try Self.checkedLogin(draft.login)
    let name = try Self.checkedName(draft.displayName ?? "")
    let oneTime = draft.password == nil ? oneTimePassword() : nil
    let password = draft.password ?? oneTime ?? ""
    if let objection = PasswordHashing.objection(to: password, login: login) {
      throw APIError(.validation, objection)
    }
    let id = FileID.random(random)
    let hash = try await passwords.hash(password)
    do {
      try await pool.transaction { connection in
        // Whoever sets a password for somebody else knows it: it has to be changed as well.
        try await self.insert(
          id: id, login: login, name: name, role: draft.role, hash: hash, mustChange: true, on: connection)
        try await self.audit.record(
          actor.did("administrator.create", on: login, details: ["role": .string(draft.role.rawValue)]),
          on: connection)
      }
    } catch let error as PostgresError where error.isUniqueViolation {
      throw APIError(.conflict, "an administrator with the login '\(login)' exists already; choose another login")
    }
    return AdministratorWithPassword(administrator: try await get(id), oneTimePassword: oneTime)
  }

  /// Changes what the patch names. Nobody can suspend or demote the last active administrator of role `admin`.
  public func update(_ id: FileID, _ patch: AdministratorPatch, by actor: Actor) async throws -> Administrator {
    let before = try await get(id)
    let name = try patch.displayName.map(Self.checkedName) ?? before.displayName
    let role = patch.role ?? before.role
    let status = patch.status ?? before.status
    try await pool.transaction { connection in
      if role != .admin || status != .active { try await self.keepOneAdmin(but: id, on: connection) }
      try await connection.query(
        """
        UPDATE identity_administrators SET display_name = \(name), role = \(role.rawValue),
          status = \(status.rawValue), updated_at = \(self.time.now()) WHERE id = \(id)
        """)
      if role != before.role || status != before.status { try await self.endSessions(of: before, on: connection) }
      try await self.audit.record(
        actor.did(
          "administrator.update", on: before.login,
          details: ["role": .string(role.rawValue), "status": .string(status.rawValue)]),
        on: connection)
    }
    return try await get(id)
  }

  public func delete(_ id: FileID, by actor: Actor) async throws {
    let administrator = try await get(id)
    guard administrator.login != actor.subject else {
      throw APIError(.conflict, "you cannot delete yourself; let another administrator do it")
    }
    try await pool.transaction { connection in
      try await self.keepOneAdmin(but: id, on: connection)
      try await self.endSessions(of: administrator, on: connection)
      try await connection.query("DELETE FROM identity_administrators WHERE id = \(id)")
      try await self.audit.record(actor.did("administrator.delete", on: administrator.login), on: connection)
    }
  }

  /// Gives a one-time password, ends every session, lifts the lock and takes the second factor away.
  public func resetPassword(_ id: FileID, by actor: Actor) async throws -> AdministratorWithPassword {
    let administrator = try await get(id)
    let password = oneTimePassword()
    let hash = try await passwords.hash(password)
    try await pool.transaction { connection in
      let now = self.time.now()
      try await connection.query(
        """
        UPDATE identity_administrators SET password_hash = \(hash), must_change_password = true, totp_sealed = NULL,
          totp_confirmed = false, recovery_hashes = '{}', password_changed_at = \(now), updated_at = \(now)
        WHERE id = \(id)
        """)
      try await self.attempts.clear(administrator.login, on: connection)
      try await self.endSessions(of: administrator, on: connection)
      try await self.audit.record(actor.did("administrator.reset_password", on: administrator.login), on: connection)
    }
    return AdministratorWithPassword(administrator: try await get(id), oneTimePassword: password)
  }

  public func unlock(_ id: FileID, by actor: Actor) async throws -> Administrator {
    let administrator = try await get(id)
    try await pool.transaction { connection in
      try await self.attempts.clear(administrator.login, on: connection)
      try await self.audit.record(actor.did("administrator.unlock", on: administrator.login), on: connection)
    }
    return try await get(id)
  }

  /// Sets a new password for oneself: the old one proves who asks. Ends every session and every token.
  public func changePassword(login: String, old: String, new: String, by actor: Actor) async throws {
    let administrator = try await get(login: login)
    try await attempts.begin(administrator.login)
    let hash = try await pool.query(
      "SELECT password_hash FROM identity_administrators WHERE id = \(administrator.id)"
    ).first.map { try $0.decode(0, as: String.self) }
    guard try await passwords.verify(old, against: hash) else {
      try await audit.record(actor.did("administrator.change_password", on: login, result: .refused))
      throw APIError(.forbidden, "old_password: it is not the present password")
    }
    if let objection = PasswordHashing.objection(to: new, login: administrator.login) {
      throw APIError(.validation, "new_" + objection)
    }
    if old == new { throw APIError(.validation, "new_password: it must differ from the old one") }
    let newHash = try await passwords.hash(new)
    try await pool.transaction { connection in
      let now = self.time.now()
      try await connection.query(
        """
        UPDATE identity_administrators SET password_hash = \(newHash), must_change_password = false,
          password_changed_at = \(now), updated_at = \(now) WHERE id = \(administrator.id)
        """)
      try await self.attempts.clear(administrator.login, on: connection)
      try await self.endSessions(of: administrator, on: connection)
      try await self.audit.record(
        actor.did("administrator.change_password", on: administrator.login), on: connection)
    }
  }
}

extension Administrators {
  func insert(
    id: FileID, login: String, name: String, role: AdminRole, hash: String, mustChange: Bool,
    on connection: PostgresConnection
  ) async throws {
    let now = time.now()
    try await connection.query(
      """
      INSERT INTO identity_administrators (id, login, display_name, role, status, password_hash, must_change_password,
        created_at, updated_at, password_changed_at)
      VALUES (\(id), \(login), \(name), \(role.rawValue), 'active', \(hash), \(mustChange), \(now), \(now), \(now))
      """)
  }

  /// 20 characters of 5 bits: 100 bits, without letters that look like digits.
  func oneTimePassword() -> String {
    let alphabet = Array("abcdefghjkmnpqrstuvwxyz23456789-".utf8)
    return String(decoding: random.bytes(20).map { alphabet[Int($0 & 31)] }, as: UTF8.self)
  }

  func endSessions(of administrator: Administrator, on connection: PostgresConnection) async throws {
    try await connection.query(
      """
      UPDATE identity_refresh_families SET revoked_at = \(time.now())
      WHERE administrator_id = \(administrator.id) AND revoked_at IS NULL
      """)
    try await revocations.revokeAll(of: administrator.login, on: connection)
  }

  /// Locks the rows, so that two administrators cannot take each other's role at the same moment.
  private func keepOneAdmin(but id: FileID, on connection: PostgresConnection) async throws {
    let others = try await connection.query(
      """
      SELECT id FROM identity_administrators WHERE role = 'admin' AND status = 'active' AND id <> \(id) FOR UPDATE
      """)
    guard others.isEmpty else { return }
    throw APIError(.conflict, "this is the last active administrator with the role admin; make another one first")
  }

  private func select() -> Query {
    """
    SELECT a.id, a.login, a.display_name, a.role, a.status, a.must_change_password, a.totp_confirmed, a.created_at,
      a.updated_at, a.password_changed_at, a.last_login_at,
      CASE WHEN f.locked_until > \(time.now()) THEN f.locked_until END AS locked_until
    FROM identity_administrators a
    LEFT JOIN identity_login_failures f ON f.login_hash = sha256(convert_to(lower(a.login), 'UTF8'))
    """
  }

  static func checkedLogin(_ login: String) throws -> String {
    let allowed = login.unicodeScalars.allSatisfy {
      $0.properties.isAlphabetic || ("0"..."9").contains($0) || "._-@".unicodeScalars.contains($0)
    }
    guard allowed, (2...64).contains(login.count), !login.lowercased().hasPrefix("sa_"), login != "system",
      login != "anonymous"
    else {
      throw APIError(
        .validation, "login: 2 to 64 letters, digits or '._-@' are allowed; it must not begin with 'sa_'")
    }
    return login
  }

  private static func checkedName(_ name: String) throws -> String {
    guard name.count <= 200, !name.contains("\0") else {
      throw APIError(.validation, "display_name: at most 200 characters without U+0000 are allowed")
    }
    return name
  }
}

extension Administrator {
  init(_ row: Row) throws {
    guard let role = AdminRole(rawValue: try row.decode("role")),
      let status = AccountStatus(rawValue: try row.decode("status"))
    else { throw IdentityError.corruptRow(table: "identity_administrators", detail: "unknown role or status") }
    self.init(
      id: try row.decode("id"), login: try row.decode("login"), displayName: try row.decode("display_name"),
      role: role, status: status, lockedUntil: try row.decode("locked_until"),
      mustChangePassword: try row.decode("must_change_password"), hasSecondFactor: try row.decode("totp_confirmed"),
      createdAt: try row.decode("created_at"), updatedAt: try row.decode("updated_at"),
      passwordChangedAt: try row.decode("password_changed_at"), lastLoginAt: try row.decode("last_login_at"))
  }
}
