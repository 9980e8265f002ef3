internal import Catalogue
internal import Configuration
internal import Console
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
  static let migrations: [Migration] =
    CatalogueMigrations.all + IdentityMigrations.all + FleetMigrations.all
    + ConsoleMigrations.all
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
  /// Nil where this process is no console.
  let console: Console?
  /// Periodic work of this process, shown under `/tasks`.
  let tasks: [BackgroundTask]

  /// After `Foundations.prepare`.
  static func make(_ foundations: Foundations, roles: Set<Role>) async throws -> Assembly {
    let fleet = try await FleetService.make(
      pool: foundations.pool, identity: foundations.identity, masterKey: foundations.masterKey,
      http: foundations.client, time: foundations.time, random: foundations.random, logger: foundations.logger,
      metrics: foundations.metrics)
    var tasks = identityTasks(foundations)
    if roles.contains(.admin) { tasks += fleet.jobs() }
    let values = foundations.values
    if let endpoint = values[ControlPlaneSettings.otlpEndpoint] {
      let export = TraceExport(
        foundations, endpoint: endpoint, roles: roles, fleet: roles.contains(.admin) ? fleet : nil)
      tasks.append(
        BackgroundTask(
          name: "trace-export", interval: TraceExport.interval, timeout: .seconds(120), logger: foundations.logger,
          time: foundations.time
        ) { try await export.run() })
    }
    let ingest = IngestService(
      access: try await fleet.access(as: .ingester), registry: fleet.registry, catalogue: fleet.files,
      configuration: IngestConfiguration(
        fileBytesMax: values[ControlPlaneSettings.maxFileBytes],
        allowedTypes: values[ControlPlaneSettings.allowedTypes]),
      sniffer: try sniffer(foundations), logger: foundations.logger, random: foundations.random)
    let search = SearchIndex(pool: foundations.pool)
    let documents = DocumentReader(
      access: try await fleet.access(as: .query), registry: fleet.registry, catalogue: fleet.files,
      logger: foundations.logger)
    let shown = tasks
    let services = ConsoleServices(
      pool: foundations.pool, identity: foundations.identity, fleet: fleet, index: search, documents: documents,
      ingest: ingest, tasks: { shown.map(\.status) })
    return Assembly(
      foundations: foundations, fleet: fleet, ingest: ingest, search: search, documents: documents,
      console: roles.contains(.console) ? try console(foundations, services) : nil, tasks: tasks)
  }

  private static func sniffer(_ foundations: Foundations) throws(CommandError) -> ContentSniffer {
    do throws(ContentSniffer.Unavailable) {
      return try ContentSniffer(blocking: foundations.blockingPool)
    } catch {
      throw CommandError("libmagic: \(error)", exitCode: .unavailable)
    }
  }

  private static func console(
    _ foundations: Foundations, _ services: ConsoleServices
  ) throws(CommandError) -> Console {
    do {
      return try Console.make(
        services, assetsFolder: foundations.values[ControlPlaneSettings.assets], time: foundations.time,
        random: foundations.random, logger: foundations.logger)
    } catch {
      throw CommandError("CP_ASSETS_DIR: \(error)", exitCode: .configuration)
    }
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
        name: "identity-maintenance", interval: .seconds(15), timeout: .seconds(120), logger: foundations.logger,
        time: foundations.time
      ) {
        try await maintenance.run { try await identity.maintain() }
      },
    ]
  }

  /// What a role answers.
  func router(of role: Role) -> Router {
    if role == .console, let console {
      return Router(
        routes(of: role), authorizer: console.authorizer, logger: foundations.logger,
        renderError: console.errorResponse)
    }
    return Router(routes(of: role), authorizer: foundations.identity.authorizer, logger: foundations.logger)
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
      return health + (console?.routes ?? [])
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
    checks.append(foundations.forwarding.check)
    return checks
  }
}
