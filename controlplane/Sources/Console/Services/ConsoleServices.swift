public import Core
public import Fleet
internal import HTTPServer
public import Identity
public import Ingest
public import Postgres
public import Search
public import Service
public import Telemetry

/// What the console runs on: the control plane's own modules, called in process.
public struct ConsoleServices: Sendable {
  let pool: PostgresPool
  let identity: IdentityService
  let fleet: FleetService
  let index: SearchIndex
  let documents: DocumentReader
  let ingest: IngestService
  let tasks: @Sendable () -> [TaskStatus]

  /// `tasks` gives the state of this process's background tasks; `documents` and `ingest` hold the appliance access of
  /// the roles `query` and `ingester`.
  public init(
    pool: PostgresPool, identity: IdentityService, fleet: FleetService, index: SearchIndex,
    documents: DocumentReader, ingest: IngestService, tasks: @escaping @Sendable () -> [TaskStatus]
  ) {
    self.pool = pool
    self.identity = identity
    self.fleet = fleet
    self.index = index
    self.documents = documents
    self.ingest = ingest
    self.tasks = tasks
  }
}

/// The console's own table, `console_sessions`.
public enum ConsoleMigrations {
  public static let all: [Migration] = PostgresSessionStore.migrations
}

extension Console {
  /// Reads the assets from `assetsFolder` (the setting CP_ASSETS_DIR; `tools/console-assets` fills it); throws
  /// `AssetError` naming what is missing. Give `routes`, `authorizer` and `errorResponse` to a `Router`.
  public static func make(
    _ services: ConsoleServices, assetsFolder: String, time: any TimeSource, random: any RandomSource, logger: Logger
  ) throws -> Console {
    let identity = IdentityBackend(service: services.identity)
    let sessions = PostgresSessionStore(pool: services.pool)
    let fleet = FleetBackend(registry: services.fleet.registry, taskStates: services.tasks)
    return Console(
      identity: identity,
      fleet: fleet, trust: fleet,
      files: FilesBackend(
        catalogue: services.fleet.files, registry: services.fleet.registry, index: services.index,
        documents: services.documents, ingest: services.ingest, random: random),
      gate: SessionGate(sessions: sessions, identity: identity, time: time, random: random),
      assets: try AssetStore(folder: assetsFolder, read: readWholeFile), time: time, random: random, logger: logger,
      eventInterval: .seconds(5))
  }
}
