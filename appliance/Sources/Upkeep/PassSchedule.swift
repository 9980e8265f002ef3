internal import Core
internal import Service
internal import Telemetry

/// When a pass runs: when it is due, when it has to go on, when somebody asks; never while upkeep is paused.
struct PassSchedule: Sendable {
  let runs: MaintenanceRuns
  let places: UpkeepPlaces
  let configuration: UpkeepConfiguration
  let time: any TimeSource
  let logger: Logger
  let isPaused: @Sendable () -> Bool

  /// How often a task looks whether its pass is due or has to go on.
  private static let lookInterval: Duration = .seconds(600)
  /// Cancels a run that hangs; a pass ends its runs by itself long before.
  private static let timeout: Duration = .seconds(24 * 3600)

  /// `interval`: from the end of one pass to the begin of the next.
  func task(
    _ kind: MaintenanceRun.Kind, every interval: Duration,
    _ work: @escaping @Sendable (Pace) async throws -> MaintenanceReport
  ) -> BackgroundTask {
    BackgroundTask(
      name: kind.rawValue, interval: min(interval, Self.lookInterval), timeout: Self.timeout, logger: logger,
      time: time
    ) {
      try await run(kind, every: interval, work)
    }
  }

  private func run(
    _ kind: MaintenanceRun.Kind, every interval: Duration, _ work: @Sendable (Pace) async throws -> MaintenanceReport
  ) async throws -> String {
    if runs.isRequested(kind) {
      // Who asks wants to know of everything.
      places.update { $0.restart(kind) }
      return try await runs.perform(kind) { try await work(pace(runMax: nil)) }
    }
    if isPaused() { return Pace.Halt.paused.description }
    let content = places.content
    if !content.isUnderway(kind), let last = content.ended(kind), time.now().since(last) < interval {
      return "nothing: the last pass ended at \(last)"
    }
    do {
      return try await runs.perform(kind) { try await work(pace(runMax: configuration.runMax)) }
    } catch let halt as Pace.Halt {
      return halt.description
    }
  }

  private func pace(runMax: Duration?) -> Pace {
    Pace(
      time: time, bytesPerSecond: configuration.scrubBytesPerSecond, itemsPerSecond: configuration.itemsPerSecond,
      runMax: runMax, isPaused: isPaused)
  }
}

extension UpkeepPlaces.Content {
  func isUnderway(_ kind: MaintenanceRun.Kind) -> Bool {
    switch kind {
    case .reconcile: reconcile != nil
    case .scrub: scrub != nil
    }
  }

  func ended(_ kind: MaintenanceRun.Kind) -> Timestamp? {
    switch kind {
    case .reconcile: reconcileEnded
    case .scrub: scrubEnded
    }
  }

  mutating func restart(_ kind: MaintenanceRun.Kind) {
    switch kind {
    case .reconcile: reconcile = nil
    case .scrub: scrub = nil
    }
  }
}
