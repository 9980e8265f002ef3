internal import ApplianceServer
internal import Configuration
internal import Core
internal import Crypto
internal import Glibc
internal import HTTPServer
internal import Reactor
internal import Service
internal import StorageAPI
internal import Store
internal import TLS
internal import Telemetry
internal import Upkeep

/// `serve`: the daemon. Opens the store, takes up its identity, binds both listeners, says where, runs until SIGTERM.
struct Serve {
  let context: CommandContext
  let signals: ProcessSignals

  init(_ context: CommandContext, signals: ProcessSignals) {
    self.context = context
    self.signals = signals
  }

  func run() async throws {
    let logger = context.logger
    let own = try OwnFiles.load(context)
    let store = try context.openStore()
    defer { store.close() }
    logger.notice(
      "store opened",
      [
        "storage_id": .text(store.storageID), "mode": .string(store.mode.rawValue),
        "recovered_records": .integer(store.recovery.records), "seconds": .number(store.recovery.seconds),
      ])
    let state = try StateDirectory(dataDirectory: context.dataDirectory, disk: context.disk)
    let onboarding = try onboarding(store, state, own, logger)
    let metrics = MetricsRegistry()
    let upkeep = Upkeep(
      store, configuration: upkeepConfiguration, time: context.time, random: context.random, logger: logger,
      isPaused: { onboarding.isUpkeepPaused }, isClockTrusted: { onboarding.isClockTrusted })
    defer { upkeep.shutdown() }
    let appliance = Appliance(
      store: store, maintenance: UpkeepMaintenance(upkeep), onboarding: onboarding,
      fileBytesMax: context.values[Settings.fileBytesMax], time: context.time, random: context.random, logger: logger,
      metrics: metrics)
    let listeners = try Listeners(onboarding, logger: logger)
    let loops = try EventLoopGroup(loops: context.values[Settings.loops] ?? processorCount)
    defer { loops.shutdown() }
    let figures = HTTPServerMetrics(metrics, prefix: "se_")
    func server(_ name: String, _ setting: Setting<NetworkAddress>, _ tls: TLSServerContext, _ router: Router)
      throws -> HTTPServer
    {
      var configuration = HTTPServerConfiguration(name: name, address: try address(setting), tls: tls)
      configuration.limits.connectionsMax = name == "api" ? context.values[Settings.connectionsMax] : 256
      return HTTPServer(
        configuration, router: router, loops: loops, logger: logger, metrics: figures, time: context.time,
        random: context.random)
    }
    let api = try server("api", Settings.apiAddress, listeners.api, appliance.api)
    let probe = try server("probe", Settings.probeAddress, listeners.probe, appliance.probe)
    try publish(api: try bind(api, Settings.apiAddress), probe: try bind(probe, Settings.probeAddress), state)
    defer { withdraw(state, logger) }
    tellClaimCode(state, onboarding, logger)
    let group = ServiceGroup(
      upkeep.tasks + [api, probe], logger: logger, gracePeriod: context.values[Settings.gracePeriod]
    ) {
      reload(onboarding, logger)
    }
    try await group.run(signals: signals)
    logger.notice("stopped")
  }

  private func onboarding(
    _ store: Store, _ state: StateDirectory, _ own: OwnFiles?, _ logger: Logger
  ) throws -> Onboarding {
    let identity: ApplianceIdentity
    let trust: Trust
    if let own {
      identity = own.identity
      trust = Trust(state, storageID: store.storageID, time: context.time, clientCA: own.clientCA, keys: own.keys)
    } else {
      identity = try ApplianceIdentity.open(
        state, storageID: store.storageID, time: context.time, random: context.random)
      trust = try Trust(state, storageID: store.storageID, time: context.time)
    }
    return try Onboarding(
      state, identity: identity, trust: trust, storageID: store.storageID, time: context.time, random: context.random,
      logger: logger)
  }

  private var upkeepConfiguration: UpkeepConfiguration {
    var configuration = UpkeepConfiguration()
    configuration.removalGrace = context.values[Settings.removalGrace]
    configuration.collectInterval = context.values[Settings.collectInterval]
    configuration.scrubBytesPerSecond = context.values[Settings.scrubRate]
    configuration.scrubWindow = .seconds(context.values[Settings.scrubWindow] * 86_400)
    configuration.repairGrace = context.values[Settings.repairGrace]
    return configuration
  }

  private func address(_ setting: Setting<NetworkAddress>) throws(CommandFailure) -> SocketAddress {
    let wanted = context.values[setting]
    guard let address = SocketAddress(host: wanted.host, port: Int(wanted.port)) else {
      throw .configuration("\(setting.key): \(wanted.host) is not a numeric IPv4 or IPv6 address")
    }
    return address
  }

  private func bind(_ server: HTTPServer, _ setting: Setting<NetworkAddress>) throws(CommandFailure) -> SocketAddress {
    do { return try server.bind() } catch {
      throw .configuration("\(setting.key): cannot listen on \(context.values[setting]): \(error)")
    }
  }

  private func publish(api: SocketAddress, probe: SocketAddress, _ state: StateDirectory) throws {
    try state.publish(
      ListenAddresses(pid: getpid(), api: "\(api)", probe: "\(probe)", startedAt: context.time.now()))
  }

  private func withdraw(_ state: StateDirectory, _ logger: Logger) {
    do { try state.withdrawAddresses() } catch {
      logger.warning("state/addresses.json stays behind", ["error": .error(error)])
    }
  }

  /// The code is a secret: it goes to a person's terminal, never into a log.
  private func tellClaimCode(_ state: StateDirectory, _ onboarding: Onboarding, _ logger: Logger) {
    guard !onboarding.isClaimed else { return }
    logger.notice("not claimed yet: run 'artstore-appliance claim-code' on this host")
    guard Terminal.isOutput else { return }
    do {
      let code = try PrintedClaimCode.current(
        state, identity: onboarding.identity, again: false, time: context.time, random: context.random)
      Terminal.print("\nclaim code, valid until \(code.expiresAt):\n\n    \(code.text)\n")
    } catch {
      logger.warning("the claim code cannot be read", ["error": .error(error)])
    }
  }

  /// SIGHUP: certificates and keys anew; connections that exist go on.
  private func reload(_ onboarding: Onboarding, _ logger: Logger) {
    do {
      guard let own = try OwnFiles.load(context) else { return }
      onboarding.reload(identity: own.identity, clientCA: own.clientCA, keys: own.keys)
      logger.notice("certificates reloaded", ["not_after": .text(own.identity.certificate.notAfter)])
    } catch {
      logger.error("reload refused, the old certificates stay", ["error": .string(CommandFailure(error).text)])
    }
  }

  private var processorCount: Int { max(1, min(256, sysconf(Int32(_SC_NPROCESSORS_ONLN)))) }
}
