public import Catalogue
public import Core
public import Crypto
public import HTTPClient
internal import HTTPServer
public import Identity
public import Postgres
public import Service
public import Telemetry

/// The fleet of appliances: its keys, its registry, its jobs and its admin routes. One a process, shared by its roles.
public final class FleetService: Sendable {
  public let registry: FleetRegistry
  /// The registry of files.
  public let files: FileCatalogue
  let pins: ChainPins
  let figures: SiteFigures
  let spanPulls = SpanPulls()
  let pool: PostgresPool
  let elements: StorageElementTable
  let sync: FleetSync
  let health: FleetHealth
  let identity: IdentityService
  let configuration: FleetConfiguration
  let logger: Logger
  private let authority: FleetAuthority
  private let makeAccess: @Sendable (PeerRole) async throws -> ApplianceAccess
  private let time: any TimeSource

  /// Loads the fleet's keys, making them on the first start. After the migrations and `IdentityService.prepare()`.
  public static func make(
    pool: PostgresPool, identity: IdentityService, masterKey: MasterKey, http: HTTPClient,
    configuration: FleetConfiguration = FleetConfiguration(), time: any TimeSource, random: any RandomSource,
    logger: Logger, metrics: MetricsRegistry = MetricsRegistry()
  ) async throws -> FleetService {
    let keys = FleetKeyTable(pool: pool, masterKey: masterKey, random: random)
    let authority = try await FleetAuthority.load(keys, time: time, random: random)
    let revoked = RevokedKeys(pool: pool, time: time)
    let locals = LocalClientTable(pool: pool, time: time)
    let bundles = KeyBundles(
      pool: pool, identity: identity, authority: authority, revoked: revoked, locals: locals,
      adminSPKI: try await authority.roleKey(.admin).publicKey.spkiHash, time: time)
    let tokens = InternalTokens(identity: identity, time: time)
    let makeAccess: @Sendable (PeerRole) async throws -> ApplianceAccess = { role in
      ApplianceAccess(
        role: role, key: try await authority.roleKey(role), authority: authority, http: http, tokens: tokens,
        bundles: bundles, revoked: revoked, life: configuration.roleCertificateLife, time: time, random: random)
    }
    let admin = try await makeAccess(.admin)
    let elements = StorageElementTable(pool: pool)
    let files = FileCatalogue(pool: pool)
    let health = FleetHealth(
      elements: elements, access: admin, authority: authority, audit: identity.audit, configuration: configuration,
      time: time, logger: logger)
    let pins = ChainPins(pool: pool, audit: identity.audit, logger: logger)
    let sync = FleetSync(
      pool: pool, elements: elements, files: files, access: admin, pins: pins,
      slots: SyncSlots(pool.configuration.connectionsMax / 4), audit: identity.audit, configuration: configuration,
      time: time, logger: logger)
    let registry = FleetRegistry(
      pool: pool, elements: elements, files: files, access: admin, authority: authority, revoked: revoked,
      locals: locals, health: health, sync: sync, audit: identity.audit, configuration: configuration, time: time,
      random: random)
    return FleetService(
      registry: registry, pins: pins, files: files, elements: elements, sync: sync, health: health, identity: identity,
      configuration: configuration, logger: logger, authority: authority, makeAccess: makeAccess, time: time,
      figures: SiteFigures(metrics))
  }

  private init(
    registry: FleetRegistry, pins: ChainPins, files: FileCatalogue, elements: StorageElementTable, sync: FleetSync,
    health: FleetHealth, identity: IdentityService, configuration: FleetConfiguration, logger: Logger,
    authority: FleetAuthority, makeAccess: @escaping @Sendable (PeerRole) async throws -> ApplianceAccess,
    time: any TimeSource, figures: SiteFigures
  ) {
    self.registry = registry
    self.figures = figures
    pool = registry.pool
    self.pins = pins
    self.files = files
    self.elements = elements
    self.sync = sync
    self.health = health
    self.identity = identity
    self.configuration = configuration
    self.logger = logger
    self.authority = authority
    self.makeAccess = makeAccess
    self.time = time
  }

  /// How `role` (admin, ingester, query or console) talks to appliances. Make one a role and keep it: it holds the
  /// client certificate and the connections made with it.
  public func access(as role: PeerRole) async throws -> ApplianceAccess { try await makeAccess(role) }

  /// The fleet CA's certificate, PEM.
  public var authorityCertificate: String { authority.authority.certificate.pem }

  /// The jobs of whichever process runs the admin role: health (with renewals and key bundles) and sync. Every replica
  /// may run them: an advisory lock per appliance makes one of them work.
  public func jobs() -> [BackgroundTask] {
    let health = BackgroundTask(
      name: "fleet-health", interval: configuration.healthInterval, timeout: .seconds(300), logger: logger, time: time
    ) { try await self.pollSites() }
    let history = BackgroundTask(
      name: "fleet-health-history", interval: .seconds(3600), timeout: .seconds(300), logger: logger, time: time
    ) { try await self.tidyHistory() }
    let sync = BackgroundTask(
      name: "fleet-sync", interval: configuration.syncInterval, timeout: .seconds(24 * 3600), logger: logger,
      time: time
    ) { [sync] in try await sync.syncAll() }
    let due = BackgroundTask(
      name: "fleet-sync-due", interval: configuration.takeoverInterval, timeout: .seconds(24 * 3600), logger: logger,
      time: time
    ) { [sync = self.sync] in try await sync.syncDue() }
    registry.pokes(sync: { [weak due] in due?.poke() })
    return [health, history, sync, due]
  }
}
