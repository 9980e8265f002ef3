import StorageAPI
import Catalogue
import Core
import Crypto
import HTTPClient
import Identity
import Postgres
import PostgresTesting
import Reactor
import Telemetry

@testable import Fleet

/// A control plane without listeners: a fresh database, its identity and its fleet.
struct FleetWorld {
  let pool: PostgresPool
  let identity: IdentityService
  let fleet: FleetService
  let masterKey: MasterKey
  let configuration: FleetConfiguration
  static let actor = Actor(subject: "admin")

  init(
    pageLinesMax: Int = 10, url: String? = nil, masterKey: MasterKey? = nil, feedPagesMax: Int = 1000,
    metrics: MetricsRegistry = MetricsRegistry()
  ) async throws {
    let database = try url ?? PrivatePostgres.database()
    pool = PostgresPool(
      PostgresConfiguration(url: database, connectionsMax: 8), time: SystemTime(), logger: .silent)
    let migrations = CatalogueMigrations.all + IdentityMigrations.all + FleetMigrations.all
    try await Migrator(pool: pool, migrations: migrations, logger: .silent).run()
    self.masterKey = try masterKey ?? MasterKey(bytes: SystemRandom().bytes(32))
    identity = IdentityService(
      issuer: "https://admin.test", pool: pool, masterKey: self.masterKey,
      blocking: BlockingPool(name: "identity", threads: 1, queueLimit: 16), time: SystemTime(),
      random: SystemRandom(), logger: .silent)
    try await identity.prepare()
    configuration = FleetConfiguration(pageLinesMax: pageLinesMax, feedPagesMax: feedPagesMax)
    fleet = try await FleetService.make(
      pool: pool, identity: identity, masterKey: self.masterKey, http: HTTPClient(time: SystemTime()),
      configuration: configuration, time: SystemTime(), random: SystemRandom(), logger: .silent, metrics: metrics)
  }

  /// As if the interval between polls had passed.
  func letPollsBeDue() async throws { try await pool.query("UPDATE storage_elements SET poll_claimed_at = NULL") }

  func claim(_ appliance: FakeAppliance, _ url: String, name: String = "one") async throws -> StorageElement {
    try await fleet.registry.claim(name: name, url: url, code: appliance.code.text, by: Self.actor)
  }

  func sync(_ element: StorageElement, full: Bool = false) async throws -> SyncReport {
    try await fleet.registry.sync(element.id, full: full, by: Self.actor).report
  }

  /// What happened to a storage element by itself, as the audit trail has it, oldest first: action and fault.
  func trail(_ element: StorageElement) async throws -> [String] {
    let rows = try await pool.query(
      """
      SELECT action, details->>'fault' AS fault FROM audit_log
      WHERE target = \(element.id.description) AND actor = \(Actor.system.subject)
        AND action ~ '[.](sync|digest)_' ORDER BY sequence
      """)
    return try rows.map { row in
      let fault: String? = try row.decode("fault")
      return try row.decode("action", as: String.self).replacing("storage_element.", with: "")
        + (fault.map { " \($0)" } ?? "")
    }
  }
}
