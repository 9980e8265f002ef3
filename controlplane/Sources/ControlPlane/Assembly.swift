internal import Catalogue
internal import Configuration
internal import Core
internal import Crypto
internal import Fleet
internal import HTTPServer
internal import Identity
internal import Ingest
internal import Postgres
internal import Reactor
internal import Search
internal import Service
internal import Telemetry

/// All modules' tables, lower modules first.
enum Schema {
  static let migrations: [Migration] = CatalogueMigrations.all + IdentityMigrations.all + FleetMigrations.all
}

/// The roles put together: what each answers, what runs in the background.
struct Assembly: Sendable {
  let foundations: Foundations
  let fleet: FleetService
  /// Uploads, for the roles that take them.
  let ingest: IngestService
  let search: SearchIndex
  /// Records and downloads.
  let documents: DocumentReader
  /// Periodic work of this process, shown under `/tasks`.
  let tasks: [BackgroundTask]

  /// After `Foundations.prepare`.
  static func make(_ foundations: Foundations, roles: Set<Role>) async throws -> Assembly {
    let fleet = try await FleetService.make(
      pool: foundations.pool, identity: foundations.identity, masterKey: foundations.masterKey,
      http: foundations.client, time: foundations.time, random: foundations.random, logger: foundations.logger)
    var tasks = identityTasks(foundations)
    if roles.contains(.admin) { tasks += fleet.jobs() }
    let sniffer: ContentSniffer
    do {
      sniffer = try ContentSniffer(blocking: foundations.blockingPool)
    } catch {
      throw CommandError("libmagic: \(error)", exitCode: .unavailable)
    }
    let values = foundations.values
    let ingest = IngestService(
      access: try await fleet.access(as: .ingester), registry: fleet.registry, catalogue: fleet.files,
      configuration: IngestConfiguration(
        fileBytesMax: values[ControlPlaneSettings.maxFileBytes],
        allowedTypes: values[ControlPlaneSettings.allowedTypes]),
      sniffer: sniffer, logger: foundations.logger, random: foundations.random)
    let documents = DocumentReader(
      access: try await fleet.access(as: .query), registry: fleet.registry, catalogue: fleet.files,
      logger: foundations.logger)
    return Assembly(
      foundations: foundations, fleet: fleet, ingest: ingest, search: SearchIndex(pool: foundations.pool),
      documents: documents, tasks: tasks)
  }

  private static func identityTasks(_ foundations: Foundations) -> [BackgroundTask] {
    let identity = foundations.identity
    let maintenance = ReplicaJob(name: "identity-maintenance", pool: foundations.pool)
    return [
      BackgroundTask(
        name: "identity-refresh", interval: IdentityService.refreshInterval, timeout: .seconds(30),
        logger: foundations.logger, time: foundations.time
      ) {
        try await identity.refresh()
        return "keys, revocations and settings are up to date"
      },
      BackgroundTask(
        name: "identity-maintenance", interval: .seconds(300), timeout: .seconds(120), logger: foundations.logger,
        time: foundations.time
      ) {
        try await maintenance.run { try await identity.maintain() }
      },
    ]
  }

  /// What a role answers.
  func router(of role: Role) -> Router {
    Router(routes(of: role), authorizer: foundations.identity.authorizer, logger: foundations.logger)
  }

  func routes(of role: Role) -> [Route] {
    let identity = foundations.identity
    let health = serviceRoutes(
      service: "artstore-\(role.rawValue)", time: foundations.time, metrics: foundations.metrics
    ) { [foundations] in await Self.readiness(foundations) }
    switch role {
    case .admin:
      return health + identity.routes + fleet.routes() + TaskRoutes(tasks: tasks, audit: identity.audit).routes
    case .ingester:
      return health + ingestRoutes(ingest)
    case .query:
      return health + searchRoutes(search, documents)
    case .console:
      return health
    }
  }

  private static func readiness(_ foundations: Foundations) async -> [ReadinessCheck] {
    var checks: [ReadinessCheck] = []
    do throws(PostgresError) {
      try await foundations.pool.ping()
      checks.append(ReadinessCheck("database", .ok, "answers"))
    } catch {
      checks.append(ReadinessCheck("database", .fail, "PostgreSQL does not answer"))
    }
    let hasKey = foundations.identity.keys.status().contains { $0.state == .active }
    checks.append(
      hasKey
        ? ReadinessCheck("signing_key", .ok, "loaded")
        : ReadinessCheck("signing_key", .fail, "no signing key is loaded"))
    return checks
  }
}
