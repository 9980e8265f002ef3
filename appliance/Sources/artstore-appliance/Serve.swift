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
  let confinement: Confinement
  let inherited: InheritedSockets

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
      metrics: metrics, probesPerSecond: context.values[Settings.probeRequestsPerSecondMax])
    let listeners = try Listeners(onboarding, logger: logger)
    let loops = try EventLoopGroup(loops: context.values[Settings.loops] ?? processorCount)
    defer { loops.shutdown() }
    let servers = try Servers(
      context, appliance, listeners, inherited: inherited, loops: loops,
      metrics: HTTPServerMetrics(metrics, prefix: "se_"), logger: logger)
    try confinement.filterCalls(logger, metrics)
    publish(servers, state, logger)
    defer { withdraw(state, logger) }
    tellClaimCode(state, onboarding, logger)
    let reloading = Reloading(context, onboarding, own, logger: logger)
    let tasks = [listeners.ticketKeysTask(logger: logger, time: context.time), reloading.task()].compactMap(\.self)
    let group = ServiceGroup(
      upkeep.tasks + tasks + [servers.api, servers.probe], logger: logger,
      gracePeriod: context.values[Settings.gracePeriod]
    ) {
      reloading.reload()
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

  /// Only `status` and those who start this program ask for it: a full disk is no reason not to serve.
  private func publish(_ servers: Servers, _ state: StateDirectory, _ logger: Logger) {
    let addresses = ListenAddresses(
      pid: getpid(), api: "\(servers.apiAddress)", probe: "\(servers.probeAddress)", startedAt: context.time.now())
    do {
      try state.publish(addresses)
    } catch {
      logger.warning("state/addresses.json cannot be written: status will not find us", ["error": .error(error)])
      withdraw(state, logger)
    }
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

  private var processorCount: Int { max(1, min(256, sysconf(Int32(_SC_NPROCESSORS_ONLN)))) }
}
