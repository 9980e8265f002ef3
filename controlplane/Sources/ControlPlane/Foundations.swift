internal import Catalogue
internal import Configuration
internal import Core
internal import Crypto
internal import HTTPClient
internal import HTTPServer
internal import Identity
internal import Postgres
internal import Reactor
internal import Service
internal import Telemetry

/// What every role stands on: database, identity, clock, log.
struct Foundations: Sendable {
  let values: ConfigurationValues
  let logger: Logger
  let time: any TimeSource
  let random: any RandomSource
  let loops: EventLoopGroup
  let metrics: MetricsRegistry
  /// Spans of this process's finished requests.
  let spans: SpanRing
  let pool: PostgresPool
  let client: HTTPClient
  let masterKey: MasterKey
  let identity: IdentityService
  /// Who is believed to ask for others, and what is noticed of those who are not.
  let proxies: TrustedProxies
  let forwarding: UntrustedForwarding
  /// Work that blocks and is not password hashing: looking into documents.
  let blockingPool: BlockingPool

  /// Opens nothing yet. Throws `CommandError` for settings that cannot work.
  init(_ values: ConfigurationValues, logger: Logger, loops: EventLoopGroup) throws(CommandError) {
    self.values = values
    self.logger = logger
    self.loops = loops
    time = SystemTime()
    random = SystemRandom()
    metrics = MetricsRegistry()
    spans = SpanRing(random: random)
    masterKey = try Self.masterKey(values)
    let configuration = PostgresConfiguration(
      url: values[ControlPlaneSettings.databaseURL], connectionsMax: values[ControlPlaneSettings.databaseConnections])
    pool = PostgresPool(configuration, time: time, logger: logger)
    client = HTTPClient(time: time)
    let forwarding = UntrustedForwarding(time: time, logger: logger, metrics: metrics)
    self.forwarding = forwarding
    proxies = TrustedProxies(try Self.proxies(values)) { forwarding.note($0) }
    blockingPool = BlockingPool(name: "content detection", threads: 2, queueLimit: 1024)
    let passwords = BlockingPool(
      name: "password checks", threads: values[ControlPlaneSettings.passwordThreads], queueLimit: 64)
    identity = IdentityService(
      issuer: values[ControlPlaneSettings.issuer], pool: pool, masterKey: masterKey, blocking: passwords, time: time,
      random: random, logger: logger, metrics: metrics)
    let pool = pool
    metrics.gauge("cp_database_connections", help: "Connections to PostgreSQL, open or being opened") {
      Double(pool.usage.total)
    }
    metrics.gauge("cp_database_waiting", help: "Tasks that wait for a connection to PostgreSQL") {
      Double(pool.usage.waiting)
    }
  }

  private static func proxies(_ values: ConfigurationValues) throws(CommandError) -> [TrustedProxies.Network] {
    var networks: [TrustedProxies.Network] = []
    for text in values[ControlPlaneSettings.trustedProxies] {
      guard let network = TrustedProxies.Network(text) else {
        throw CommandError(
          "CP_TRUSTED_PROXIES: '\(text)' is neither an address nor a network; write it as 10.1.2.3 or 10.0.0.0/8",
          exitCode: .configuration)
      }
      networks.append(network)
    }
    return networks
  }

  private static func masterKey(_ values: ConfigurationValues) throws(CommandError) -> MasterKey {
    let text: String
    let key: String
    switch (values[ControlPlaneSettings.masterKey], values[ControlPlaneSettings.masterKeyFile]) {
    case (let given?, nil): (text, key) = (given, "CP_MASTER_KEY")
    case (nil, let path?):
      key = "CP_MASTER_KEY_FILE"
      text = try SmallFile.read(path, for: key, isSecret: true)
    case (nil, nil):
      throw CommandError(
        "CP_MASTER_KEY or CP_MASTER_KEY_FILE is required: make one with openssl rand -base64 32 and keep a copy",
        exitCode: .configuration)
    default: throw CommandError("give either CP_MASTER_KEY or CP_MASTER_KEY_FILE", exitCode: .configuration)
    }
    do throws(MasterKeyError) {
      return try MasterKey(text: text)
    } catch {
      throw CommandError("\(key): \(error)", exitCode: .configuration)
    }
  }

  /// The first administrator's password, if the operator chose it.
  func firstPassword() throws(CommandError) -> String? {
    if let given = values[ControlPlaneSettings.firstPassword], !given.isEmpty { return given }
    guard let path = values[ControlPlaneSettings.firstPasswordFile] else { return nil }
    let text = try SmallFile.read(path, for: "CP_FIRST_ADMIN_PASSWORD_FILE", isSecret: true)
    return String(text.prefix { !$0.isNewline })
  }

  /// Of the traces that begin here; none while nobody collects them.
  var sampledPercent: Double {
    values[ControlPlaneSettings.otlpEndpoint] == nil ? 0 : Double(values[ControlPlaneSettings.tracePercent])
  }

  /// Tables, keys, first administrator. Repeated until PostgreSQL answers or `patience` is over: in a cluster the
  /// database may start later than we do.
  func prepare(migrations: [Migration], patience: Duration = .seconds(60)) async throws {
    let start = time.uptime()
    while true {
      do {
        try await Migrator(pool: pool, migrations: migrations, logger: logger).run()
        try await identity.prepare()
        return
      } catch let error as PostgresError where error.isAbsence && time.uptime() - start < patience {
        logger.warning("the database does not answer yet", ["error": .error(error)])
        try await IO.sleep(.seconds(1))
      }
    }
  }
}

extension PostgresError {
  /// PostgreSQL is not there (yet), or starting.
  var isAbsence: Bool { kind == .connection || sqlState == "57P03" }
}
