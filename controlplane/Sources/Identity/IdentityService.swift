public import Core
internal import Crypto
internal import HTTP
public import HTTPServer
internal import JWT
public import Postgres
public import Reactor
internal import Service
internal import Synchronization
public import Telemetry

/// The module's front: everything about who may do what. `prepare` first, once; `refresh` every `refreshInterval`.
public final class IdentityService: Sendable {
  public let keys: SigningKeys
  public let tokens: AccessTokens
  public let revocations: Revocations
  public let audit: Audit
  public let serviceAccounts: ServiceAccounts
  public let administrators: Administrators
  public let sessions: AdminSessions
  public let secondFactor: SecondFactor
  /// For every server of the central roles.
  public let authorizer: BearerAuthorizer
  let budgets: AttemptBudgets

  let pool: PostgresPool
  let masterKey: MasterKey
  let time: any TimeSource
  let random: any RandomSource
  let logger: Logger
  private let box: SettingsBox

  /// How old a replica's copy of keys, revocations and settings may be.
  public static let refreshInterval: Duration = .seconds(5)

  /// - Parameters:
  ///   - issuer: the `iss` of every token: the admin API's public address, e.g. `https://admin.example.org`.
  ///   - blocking: threads for password hashing and key making; nothing else may use it.
  public init(
    issuer: String, pool: PostgresPool, masterKey: MasterKey, blocking: BlockingPool, time: any TimeSource,
    random: any RandomSource, logger: Logger, metrics: MetricsRegistry = MetricsRegistry()
  ) {
    let box = SettingsBox()
    let settings: @Sendable () -> IdentitySettings = { box.settings }
    self.box = box
    self.pool = pool
    self.masterKey = masterKey
    self.time = time
    self.random = random
    self.logger = logger
    keys = SigningKeys(
      issuer: issuer, pool: pool, masterKey: masterKey, blocking: blocking, time: time, random: random)
    revocations = Revocations(pool: pool, time: time)
    tokens = AccessTokens(keys: keys, revocations: revocations, time: time, random: random)
    audit = Audit(pool: pool, masterKey: masterKey, time: time, logger: logger)
    serviceAccounts = ServiceAccounts(
      pool: pool, audit: audit, revocations: revocations, masterKey: masterKey, time: time, random: random,
      settings: settings)
    administrators = Administrators(
      pool: pool, audit: audit, revocations: revocations, passwords: PasswordHashing(pool: blocking, random: random),
      attempts: LoginAttempts(pool: pool, time: time, settings: settings), time: time, random: random)
    budgets = AttemptBudgets(time: time, metrics: metrics)
    secondFactor = SecondFactor(pool: pool, audit: audit, masterKey: masterKey, time: time, random: random)
    sessions = AdminSessions(
      pool: pool, administrators: administrators, secondFactor: secondFactor, tokens: tokens, time: time,
      random: random, settings: settings, budgets: budgets)
    authorizer = BearerAuthorizer(verifier: keys.verifier, isRevoked: revocations.covers)
  }

  /// After the migrations: checks that the master key is this database's, loads or makes the signing key, reads
  /// settings and revocations. Throws `MasterKeyError.otherDatabase`, `PostgresError`.
  public func prepare() async throws {
    try await checkMasterKey()
    try await keys.load()
    try await refresh()
  }

  /// Reads again what other replicas may have changed.
  public func refresh() async throws {
    let row = try await pool.query("SELECT settings FROM identity_settings")
    box.settings = try Self.decode(try row.scalar(JSONValue.self))
    try await revocations.load()
    try await keys.load()
  }

  /// The periodic job: a new signing key when it is due, and rows that nobody needs any more go.
  public func maintain() async throws -> String {
    let rotated = try await keys.rotateIfDue(every: settings.keyRotation)
    let purged = try await revocations.purge() + sessions.purge() + administrators.attempts.purge()
    let pruned = try await audit.prune(olderThan: settings.auditRetention)
    return "\(rotated); purged \(purged) rows, \(pruned) audit records"
  }

  public var settings: IdentitySettings { box.settings }
}

/// The settings of the moment, shared by the parts.
final class SettingsBox: Sendable {
  private let value = Mutex(IdentitySettings())

  var settings: IdentitySettings {
    get { value.withLock { $0 } }
    set { value.withLock { $0 = newValue } }
  }
}

extension IdentityService {
  /// Changes some settings. `changes` holds the keys of `IdentitySettings`; unknown ones and values out of range are
  /// refused.
  public func change(_ changes: [String: JSONValue], by actor: Actor) async throws -> IdentitySettings {
    var checked: [String: JSONValue] = [:]
    for (key, value) in changes {
      guard let field = IdentitySettings.fields.first(where: { $0.key.rawValue == key }) else {
        let known = IdentitySettings.fields.map(\.key.rawValue).joined(separator: ", ")
        throw APIError(.validation, "\(key.cut(to: 60)): no such setting; there are \(known)")
      }
      guard case .integer(let number) = value, field.range.contains(Int(number)) else {
        throw APIError(
          .validation, "\(key): an integer from \(field.range.lowerBound) to \(field.range.upperBound) is needed")
      }
      checked[key] = value
    }
    try await pool.transaction { connection in
      try await connection.query(
        """
        UPDATE identity_settings SET settings = settings || \(JSONValue.object(checked)),
          updated_at = \(self.time.now())
        """)
      try await self.audit.record(actor.did("settings.change", details: checked), on: connection)
    }
    try await refresh()
    return settings
  }

  /// Makes the first administrator when there is none. With a password from the environment it is used as it is;
  /// without one a one-time password is made and returned, to be shown to the operator and changed at the first login.
  /// Nil when administrators exist already.
  public func createFirstAdministrator(login: String, password: String?) async throws -> AdministratorWithPassword? {
    let count = try await pool.query("SELECT count(*) FROM identity_administrators").scalar(Int.self)
    guard count == 0 else { return nil }
    let login = try Administrators.checkedLogin(login)
    let oneTime = password == nil ? administrators.oneTimePassword() : nil
    let chosen = password ?? oneTime ?? ""
    if let objection = PasswordHashing.objection(to: chosen, login: "") { throw APIError(.validation, objection) }
    let hash = try await administrators.passwords.hash(chosen)
    let id = FileID.random(random)
    let isMade: Bool = try await pool.transaction { connection in
      // Replicas that start together: one makes it.
      try await connection.query("LOCK TABLE identity_administrators IN SHARE ROW EXCLUSIVE MODE")
      let count = try await connection.query("SELECT count(*) FROM identity_administrators").scalar(Int.self)
      guard count == 0 else { return false }
      try await self.administrators.insert(
        id: id, login: login, name: "", role: .admin, hash: hash, mustChange: oneTime != nil, on: connection)
      try await self.audit.record(Actor.system.did("administrator.create_first", on: login), on: connection)
      return true
    }
    guard isMade else { return nil }
    return AdministratorWithPassword(administrator: try await administrators.get(id), oneTimePassword: oneTime)
  }

  /// A known text sealed with the master key lies in the database since the first start.
  private func checkMasterKey() async throws {
    let text = Array("artstore master key".utf8)
    let purpose = "master key check"
    let sealed = try masterKey.seal(text, purpose: purpose, random: random)
    try await pool.query(
      "UPDATE identity_settings SET master_key_check = \(sealed) WHERE master_key_check IS NULL")
    let stored = try await pool.query("SELECT master_key_check FROM identity_settings").scalar([UInt8].self)
    let opened: [UInt8]
    do { opened = try masterKey.open(stored, purpose: purpose) } catch { throw MasterKeyError.otherDatabase }
    guard opened == text else { throw MasterKeyError.otherDatabase }
  }

  /// Stored values out of range (from another version) fall back to the default.
  static func decode(_ stored: JSONValue) throws -> IdentitySettings {
    var settings = IdentitySettings()
    guard case .object(let members) = stored else { return settings }
    for field in IdentitySettings.fields {
      if case .integer(let number)? = members[field.key.rawValue], field.range.contains(Int(number)) {
        settings[keyPath: field.path] = Int(number)
      }
    }
    return settings
  }
}
