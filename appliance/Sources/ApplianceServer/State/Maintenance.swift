internal import Core
public import HTTP
public import StorageAPI

/// Upkeep as the API sees it: long runs that are started, waited for, asked about. `UpkeepMaintenance` is it; tests
/// have their own.
public protocol Maintenance: Sendable {
  /// Starts a run, or throws `RECONCILE_IN_PROGRESS` while one goes on. Waits up to `wait` for its end.
  func start(_ kind: MaintenanceKind, wait: Duration) async throws(APIError) -> MaintenanceState

  /// Nil for a run nobody knows (any more).
  func run(_ id: String) -> MaintenanceState?

  /// The background tasks as `/info` shows them.
  var tasks: [ApplianceInfo.Task] { get }

  /// How much of the documents has been read again.
  var scrub: ApplianceInfo.Scrub { get }

  /// Upkeep stands still because the operator wants it to.
  var isPaused: Bool { get }

  /// What `/info` shows under `status` while a run goes on.
  var isRunning: Bool { get }
}

public enum MaintenanceKind: String, Sendable, Hashable { case reconcile, scrub }

/// A run, going on or over.
public enum MaintenanceState: Sendable {
  case running(String)
  /// The contract's report object, as JSON.
  case done([UInt8])
  /// It could not go on; the reason is for the operator.
  case failed(String)
}
