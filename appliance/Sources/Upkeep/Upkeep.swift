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
  private let paused: @Sendable () -> Bool

  /// `isPaused`: what the operator set; passes stop soon after and go on where they were. `isClockTrusted`: what the
  /// rest of the appliance knows about the clock; nothing is removed while it says no.
  public init(
    _ store: Store, configuration: UpkeepConfiguration = UpkeepConfiguration(), time: any TimeSource,
    random: any RandomSource, logger: Logger, isPaused: @escaping @Sendable () -> Bool = { false },
    isClockTrusted: @escaping @Sendable () -> Bool
  ) {
    self.store = store
    let pool = BlockingPool(name: "upkeep", threads: 1, queueLimit: 16)
    let runs = MaintenanceRuns(time: time, random: random)
    let places = UpkeepPlaces(store, time: time)
    let collector = GarbageCollector(
      store, grace: configuration.removalGrace, time: time, isPaused: isPaused, isClockTrusted: isClockTrusted)
    let reconcile = Reconcile(store, places: places, grace: configuration.repairGrace, time: time)
    let scrub = Scrub(store, places: places, window: configuration.scrubWindow, time: time)
    let pass = PassSchedule(
      runs: runs, places: places, configuration: configuration, time: time, logger: logger, isPaused: isPaused)
    let reconcileTask = pass.task(.reconcile, every: configuration.reconcileInterval) {
      try await reconcile.run(on: pool, $0)
    }
    let scrubTask = pass.task(.scrub, every: configuration.scrubInterval) { try await scrub.run(on: pool, $0) }
    let collectTask = BackgroundTask(
      name: "gc", interval: configuration.collectInterval, timeout: .seconds(1800), logger: logger, time: time
    ) { try await collector.run() }
    (self.pool, self.runs, self.collector, self.scrub) = (pool, runs, collector, scrub)
    (self.reconcileTask, self.scrubTask, paused) = (reconcileTask, scrubTask, isPaused)
    tasks = [collectTask, reconcileTask, scrubTask]
  }

  /// Whether the operator has paused upkeep.
  public var isPaused: Bool { paused() }

  /// Starts a pass and waits up to `wait` for its end; the run, ended or not. `RECONCILE_IN_PROGRESS` while one of its
  /// kind runs, `CONFLICT` while upkeep is paused. The tasks must be running as services.
  public func start(_ kind: MaintenanceRun.Kind, wait: Duration) async throws(APIError) -> MaintenanceRun {
    guard !isPaused else {
      throw APIError(.conflict, "upkeep is paused by the setting upkeep_paused; set it to false first")
    }
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
  /// Documents or files that a pass looks at each second at most: each costs a few small reads of the disk.
  public var itemsPerSecond = 5000
  /// How long one run of a pass may take before it makes room; the next one goes on.
  public var runMax: Duration = .seconds(3600)
  /// Documents read within it count as verified.
  public var scrubWindow: Duration = .seconds(30 * 86_400)

  public init() {}
}
