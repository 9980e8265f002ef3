internal import Core
public import HTTP
internal import Service
public import StorageAPI
public import Upkeep

/// The upkeep module as the API sees it.
public struct UpkeepMaintenance: Maintenance {
  private let upkeep: Upkeep

  public init(_ upkeep: Upkeep) { self.upkeep = upkeep }

  public func start(_ kind: MaintenanceKind, wait: Duration) async throws(APIError) -> MaintenanceState {
    Self.state(try await upkeep.start(kind == .reconcile ? .reconcile : .scrub, wait: wait))
  }

  public func run(_ id: String) -> MaintenanceState? { upkeep.run(id).map(Self.state) }

  public var tasks: [ApplianceInfo.Task] {
    upkeep.tasks.map { task in
      let status = task.status
      let result: String? =
        switch status.lastResult {
        case .success(let text): text
        case .failure(let text): "failed: \(text)"
        case nil: nil
        }
      return ApplianceInfo.Task(
        name: status.name, lastRun: status.startedAt, lastResult: result, nextRun: status.nextRun)
    }
  }

  public var scrub: ApplianceInfo.Scrub {
    let status = upkeep.scrubStatus
    return ApplianceInfo.Scrub(
      verifiedRatio: status.verifiedRatio, windowDays: status.windowDays,
      oldestSeconds: Int(status.oldest.inSeconds), lastPassEnded: status.lastPassEnded, underway: status.isUnderway)
  }

  public var isPaused: Bool { upkeep.isPaused }

  public var isRunning: Bool { upkeep.tasks.contains { $0.name != "gc" && $0.status.isRunning } }

  private static func state(_ run: MaintenanceRun) -> MaintenanceState {
    if let report = run.report { return .done(report.json) }
    if let failure = run.failure { return .failed(failure) }
    return .running(run.id)
  }
}
