public import Core
public import HTTP
internal import Reactor
public import Service
public import Store
public import Telemetry

/// The store's housekeeping: removal of what has expired, comparison of what exists with what is known, re-reading of
/// every document. Each is a background task with a status; reconcile and scrub are also started by request and then
/// leave a report. Blocking work runs on a thread of its own.
public final class Upkeep: Sendable {
  public let store: Store
  public let collector: GarbageCollector
  public let tasks: [BackgroundTask]
  let runs: MaintenanceRuns
  private let reconcileTask: BackgroundTask
  private let scrubTask: BackgroundTask
  private let pool: BlockingPool
  private let scrub: Scrub

  /// `isClockTrusted`: what the rest of the appliance knows about the clock; nothing is removed while it says no.
  public init(
    _ store: Store, configuration: UpkeepConfiguration = UpkeepConfiguration(), time: any TimeSource,
    random: any RandomSource, logger: Logger, isClockTrusted: @escaping @Sendable () -> Bool
  ) {
    self.store = store
    let pool = BlockingPool(name: "upkeep", threads: 1, queueLimit: 16)
    let runs = MaintenanceRuns(time: time, random: random)
    let collector = GarbageCollector(
      store, grace: configuration.removalGrace, time: time, isClockTrusted: isClockTrusted)
    let reconcile = Reconcile(store, grace: configuration.repairGrace, time: time)
    let scrub = Scrub(store, bytesPerSecond: configuration.scrubBytesPerSecond, time: time)
    let reconcileTask = BackgroundTask(
      name: "reconcile", interval: configuration.reconcileInterval, timeout: .seconds(6 * 3600), logger: logger,
      time: time
    ) {
      try await runs.perform(.reconcile) { try await reconcile.run(on: pool) }
    }
    let scrubTask = BackgroundTask(
      name: "scrub", interval: configuration.scrubInterval, timeout: .seconds(12 * 3600), logger: logger, time: time
    ) {
      try await runs.perform(.scrub) { try await scrub.run(on: pool) }
    }
    let collectTask = BackgroundTask(
      name: "gc", interval: configuration.collectInterval, timeout: .seconds(1800), logger: logger, time: time
    ) { try await collector.run() }
    (self.pool, self.runs, self.collector, self.scrub) = (pool, runs, collector, scrub)
    (self.reconcileTask, self.scrubTask) = (reconcileTask, scrubTask)
    tasks = [collectTask, reconcileTask, scrubTask]
  }

  /// Starts a pass and waits up to `wait` for its end; the run, ended or not. `RECONCILE_IN_PROGRESS` while one of its
  /// kind runs. The tasks must be running as services.
  public func start(_ kind: MaintenanceRun.Kind, wait: Duration) async throws(APIError) -> MaintenanceRun {
    let id = try runs.request(kind)
    (kind == .reconcile ? reconcileTask : scrubTask).poke()
    await runs.wait(for: id, timeout: wait)
    guard let run = runs.run(id) else { throw APIError(.notFound, "there is no maintenance run \(id)") }
    return run
  }

  /// A run by its id; the last few are kept.
  public func run(_ id: String) -> MaintenanceRun? { runs.run(id) }

  /// How far documents have been re-read.
  public var scrubStatus: ScrubStatus { scrub.status }

  /// Ends the thread; after the tasks have ended.
  public func shutdown() { pool.shutdown() }
}

/// Intervals, graces and budgets.
public struct UpkeepConfiguration: Sendable {
  public var collectInterval: Duration = .seconds(300)
  public var reconcileInterval: Duration = .seconds(24 * 3600)
  public var scrubInterval: Duration = .seconds(24 * 3600)
  /// How long an expired or deleted document can still be rescued by an operator.
  public var removalGrace: Duration = .seconds(24 * 3600)
  /// Files younger than this are left alone: they may belong to a change that is being made.
  public var repairGrace: Duration = .seconds(600)
  /// How fast documents are re-read.
  public var scrubBytesPerSecond = 20 << 20

  public init() {}
}
