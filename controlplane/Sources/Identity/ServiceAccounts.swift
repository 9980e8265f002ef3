public import Core
internal import Crypto
internal import HTTP
internal import JWT
internal import Postgres
internal import Synchronization

/// Programs that work with the control plane, and their secrets. Client-visible errors are `APIError`.
public struct ServiceAccounts: Sendable {
  let pool: PostgresPool
  let audit: Audit
  let revocations: Revocations
  let time: any TimeSource
  let random: any RandomSource
  let settings: @Sendable () -> IdentitySettings
  private let secretKey: [UInt8]

  /// Live secrets an account may have: the old and the new one.
  static let liveSecretsMax = 2
  static let countMax = 10_000

  init(
    pool: PostgresPool, audit: Audit, revocations: Revocations, masterKey: MasterKey, time: any TimeSource,
    random: any RandomSource, settings: @escaping @Sendable () -> IdentitySettings
  ) {
    self.pool = pool
    self.audit = audit
    self.revocations = revocations
    self.time = time
    self.random = random
    self.settings = settings
    secretKey = masterKey.derive("client secrets")
  }

  /// In order of name. `total` counts all of them.
  public func list(
    limit: Int, offset: Int = 0, after cursor: String? = nil
  ) async throws -> (items: [ServiceAccount], total: Int) {
    var query = Self.select(at: time.now())
    if let cursor { query += " WHERE lower(a.name) > \(cursor)" }
    query += " ORDER BY lower(a.name) LIMIT \(limit) OFFSET \(cursor == nil ? offset : 0)"
    let items = try await pool.query(query).map { try ServiceAccount($0) }
    let total = try await pool.query("SELECT count(*) FROM identity_service_accounts").scalar(Int.self)
    return (items, total)
  }

  public func get(_ id: FileID) async throws -> ServiceAccount {
    let rows = try await pool.query(Self.select(at: time.now()) + " WHERE a.id = \(id)")
    return try ServiceAccount(try rows.only(orNotFound: "service account \(id)"))
  }

  /// Makes an account and its first secret.
  public func create(_ draft: ServiceAccountDraft, by actor: Actor) async throws -> ServiceAccountWithSecret {
    let name = try Self.checkedName(draft.name)
    let description = try Self.checkedDescription(draft.description ?? "")
    let scopes = try Self.checkedScopes(draft.scopes)
    let expiry = try secretExpiry(days: draft.secretDays)
    let id = FileID.random(random)
    let clientID = "sa_\(name.lowercased())_\(Hex.encode(random.bytes(6)))"
    let secret = newSecret()
    let now = time.now()
    do {
      try await pool.transaction { connection in
        try await connection.query(
          """
          INSERT INTO identity_service_accounts
            (id, client_id, name, description, scopes, status, created_by, created_at, updated_at)
          VALUES (\(id), \(clientID), \(name), \(description), \(scopes), 'active', \(actor.subject), \(now), \(now))
          """)
        try await self.add(secret, to: id, clientID: clientID, expiresAt: expiry, on: connection)
        let details: [String: JSONValue] = ["scopes": .array(scopes.map { .string($0) }), "name": .string(name)]
        try await self.audit.record(
          actor.did("service_account.create", on: clientID, details: details), on: connection)
      }
    } catch let error as PostgresError where error.isUniqueViolation {
      throw APIError(.conflict, "a service account named '\(name)' exists already; choose another name")
    }
    return ServiceAccountWithSecret(account: try await get(id), secret: secret)
  }

  /// Changes what the patch names. Fewer scopes or a suspension end the tokens given out so far.
  public func update(_ id: FileID, _ patch: ServiceAccountPatch, by actor: Actor) async throws -> ServiceAccount {
    let before = try await get(id)
    let description = try patch.description.map(Self.checkedDescription) ?? before.description
    let scopes = try patch.scopes.map(Self.checkedScopes) ?? before.scopes.map(\.rawValue)
    let status = patch.status ?? before.status
    let loses = status == .suspended || !Set(before.scopes.map(\.rawValue)).isSubset(of: scopes)
    try await pool.transaction { connection in
      try await connection.query(
        """
        UPDATE identity_service_accounts SET description = \(description), scopes = \(scopes),
          status = \(status.rawValue), updated_at = \(time.now()) WHERE id = \(id)
        """)
      if loses { try await self.revocations.revokeAll(of: before.clientID, on: connection) }
      let details: [String: JSONValue] = [
        "scopes": .array(scopes.map { .string($0) }), "status": .string(status.rawValue),
      ]
      try await self.audit.record(
        actor.did("service_account.update", on: before.clientID, details: details), on: connection)
    }
    return try await get(id)
  }

  public func delete(_ id: FileID, by actor: Actor) async throws {
    let account = try await get(id)
    try await pool.transaction { connection in
      try await connection.query("DELETE FROM identity_service_accounts WHERE id = \(id)")
      try await self.revocations.revokeAll(of: account.clientID, on: connection)
      try await self.audit.record(actor.did("service_account.delete", on: account.clientID), on: connection)
    }
  }

  /// Adds a second secret; the older one works until its own end or until `endOld`. With two live ones already, the
  /// oldest ends now.
  public func rotateSecret(
    _ id: FileID, days: Int? = nil, endOld: Bool = false, by actor: Actor
  ) async throws -> ServiceAccountWithSecret {
    let account = try await get(id)
    let expiry = try secretExpiry(days: days)
    let secret = newSecret()
    let keep = endOld ? 0 : Self.liveSecretsMax - 1
    try await pool.transaction { connection in
      try await connection.query("SELECT id FROM identity_service_accounts WHERE id = \(id) FOR UPDATE")
      try await connection.query(
        """
        DELETE FROM identity_client_secrets WHERE account_id = \(id) AND id NOT IN (
          SELECT id FROM identity_client_secrets WHERE account_id = \(id)
            AND (expires_at IS NULL OR expires_at > \(time.now()))
          ORDER BY created_at DESC, id LIMIT \(keep))
        """)
      try await self.add(secret, to: id, clientID: account.clientID, expiresAt: expiry, on: connection)
      try await connection.query(
        "UPDATE identity_service_accounts SET updated_at = \(time.now()) WHERE id = \(id)")
      if endOld { try await self.revocations.revokeAll(of: account.clientID, on: connection) }
      try await self.audit.record(
        actor.did("service_account.rotate_secret", on: account.clientID, details: ["end_old": .bool(endOld)]),
        on: connection)
    }
    return ServiceAccountWithSecret(account: try await get(id), secret: secret)
  }
}

extension ServiceAccounts {
  /// The account behind client id and secret, if it is active and the secret lives. Nil tells nothing about which of
  /// them was wrong.
  func authenticate(clientID: String, secret: String) async throws -> ServiceAccount? {
    guard clientID.utf8.count <= 100, secret.utf8.count <= 200, !clientID.contains("\0") else { return nil }
    let rows = try await pool.query(Self.select(at: time.now()) + " WHERE a.client_id = \(clientID)")
    let account = try rows.first.map { try ServiceAccount($0) }
    let hashes = try await pool.query(
      """
      SELECT s.secret_hash FROM identity_client_secrets s JOIN identity_service_accounts a ON a.id = s.account_id
      WHERE a.client_id = \(clientID) AND (s.expires_at IS NULL OR s.expires_at > \(time.now()))
      """
    ).map { try $0.decode(0, as: [UInt8].self) }
    let presented = hash(secret, clientID: clientID)
    var matches = false
    for hash in hashes where ConstantTime.equal(hash, presented) { matches = true }
    guard let account, matches, account.status == .active else { return nil }
    return account
  }

  /// Notes the use, at most once a minute and account: no write per token.
  func noteUse(of account: ServiceAccount) async throws {
    let now = time.now()
    if let last = account.lastUsedAt, now.since(last) < .seconds(60) { return }
    try await pool.query("UPDATE identity_service_accounts SET last_used_at = \(now) WHERE id = \(account.id)")
  }

  /// 256 random bits: HMAC under a key outside the database is enough for a hash, a slow one would add nothing.
  private func newSecret() -> String { "ass_" + Base64.url.encode(random.bytes(32)) }

  private func hash(_ secret: String, clientID: String) -> [UInt8] {
    HMACSHA256.code(key: secretKey, message: Array("\(clientID)\0\(secret)".utf8))
  }

  private func add(
    _ secret: String, to id: FileID, clientID: String, expiresAt: Timestamp?, on connection: PostgresConnection
  ) async throws {
    try await connection.query(
      """
      INSERT INTO identity_client_secrets (id, account_id, secret_hash, created_at, expires_at)
      VALUES (\(FileID.random(random)), \(id), \(hash(secret, clientID: clientID)), \(time.now()), \(expiresAt))
      """)
  }

  private func secretExpiry(days: Int?) throws -> Timestamp? {
    let days = days ?? settings().secretDays
    guard (0...3650).contains(days) else {
      throw APIError(.validation, "secret_days: \(days) is not between 0 (never) and 3650")
    }
    return days == 0 ? nil : time.now() + .seconds(days * 86_400)
  }

  private static func select(at now: Timestamp) -> Query {
    """
    SELECT a.id, a.client_id, a.name, a.description, a.scopes, a.status, a.created_by, a.created_at, a.updated_at,
      a.last_used_at, s.newest_end, coalesce(s.live, 0) AS live
    FROM identity_service_accounts a LEFT JOIN LATERAL (
      SELECT (array_agg(expires_at ORDER BY created_at DESC))[1] AS newest_end,
        count(*) FILTER (WHERE expires_at IS NULL OR expires_at > \(now)) AS live
      FROM identity_client_secrets WHERE account_id = a.id) s ON true
    """
  }

  private static func checkedName(_ name: String) throws -> String {
    let allowed = name.utf8.allSatisfy {
      switch $0 {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"):
        true
      default: false
      }
    }
    guard allowed, (1...50).contains(name.utf8.count) else {
      throw APIError(.validation, "name: 1 to 50 of the characters a–z, A–Z, 0–9 and '-' are allowed")
    }
    return name
  }

  private static func checkedDescription(_ text: String) throws -> String {
    guard text.count <= 1000, !text.contains("\0") else {
      throw APIError(.validation, "description: at most 1000 characters without U+0000 are allowed")
    }
    return text
  }

  private static func checkedScopes(_ scopes: [Scope]) throws -> [String] {
    guard !scopes.isEmpty else {
      let known = Scope.allCases.map(\.rawValue).sorted().joined(separator: ", ")
      throw APIError(.validation, "scopes: name at least one of \(known)")
    }
    return Set(scopes.map(\.rawValue)).sorted()
  }
}

extension ServiceAccount {
  init(_ row: Row) throws {
    let scopes = try row.decode("scopes", as: [String].self)
    guard let status = AccountStatus(rawValue: try row.decode("status")) else {
      throw IdentityError.corruptRow(table: "identity_service_accounts", detail: "unknown status")
    }
    self.init(
      id: try row.decode("id"), clientID: try row.decode("client_id"), name: try row.decode("name"),
      description: try row.decode("description"), scopes: scopes.compactMap { Scope(rawValue: $0) }, status: status,
      secretExpiresAt: try row.decode("newest_end"), liveSecrets: try row.decode("live"),
      createdBy: try row.decode("created_by"), createdAt: try row.decode("created_at"),
      updatedAt: try row.decode("updated_at"), lastUsedAt: try row.decode("last_used_at"))
  }
}

extension Rows {
  /// The only row; NOT_FOUND naming `what` when there is none.
  func only(orNotFound what: String) throws -> Row {
    guard let row = first else { throw APIError(.notFound, "\(what) does not exist") }
    return row
  }
}
