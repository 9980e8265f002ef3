public import Core
internal import Synchronization
public import Telemetry

/// Periodic work: no input, idempotent, bounded by a timeout, one run at a time; on a timer and on a poke; with a
/// status that
/// `/metrics`, `/api/v1/info` and the console show.
public final class BackgroundTask: Service {
  public let name: String
  private let interval: Duration
  private let timeout: Duration
  private let logger: Logger
  private let time: any TimeSource
  private let work: @Sendable () async throws -> String
  private let state: Mutex<State>

  private struct State {
    var status: TaskStatus
    var isPoked = false
    var sleeper: ShutdownSignal?
  }

  /// `work` says in a few words what it did. It is cancelled at `timeout` and must then stop soon.
  public init(
    name: String, interval: Duration, timeout: Duration, logger: Logger, time: any TimeSource,
    work: @escaping @Sendable () async throws -> String
  ) {
    self.name = name
    self.interval = interval
    self.timeout = timeout
    self.logger = logger
    self.time = time
    self.work = work
    state = Mutex(State(status: TaskStatus(name: name, interval: interval)))
  }

  public var status: TaskStatus { state.withLock { $0.status } }

  /// Runs soon; a poke during a run makes one more run after it.
  public func poke() {
    let sleeper = state.withLock { state in
      state.isPoked = true
      return state.sleeper
    }
    sleeper?.raise()
  }

  public func run() async throws {
    while !Shutdown.isRequested, !Task.isCancelled {
      await sleep()
      if Shutdown.isRequested || Task.isCancelled { return }
      await runOnce()
    }
  }

  /// One run now, as the timer would do it: for tests and for commands that wait for the result.
  public func runOnce() async {
    let began = time.uptime()
    state.withLock { state in
      state.isPoked = false
      state.status.startedAt = time.now()
      state.status.isRunning = true
    }
    let result: TaskStatus.Result
    do {
      result = .success(try await limited())
    } catch {
      result = .failure(String(describing: error))
      logger.warning("background task failed", ["task": .string(name), "error": .error(error)])
    }
    let took = time.uptime() - began
    state.withLock { state in
      state.status.isRunning = false
      state.status.lastResult = result
      state.status.lastDuration = took
      state.status.completedRuns += 1
    }
    logger.debug("background task ran", ["task": .string(name), "took_ms": .milliseconds(took)])
  }

  private func limited() async throws -> String {
    try await withThrowingTaskGroup(of: String.self) { group in
      group.addTask { [work] in try await work() }
      group.addTask { [timeout] in
        try await Task.sleep(for: timeout)
        throw TimedOut(limit: timeout)
      }
      defer { group.cancelAll() }
      guard let first = try await group.next() else { throw CancellationError() }
      return first
    }
  }

  /// Until the timer, a poke, or the stop.
  private func sleep() async {
    let sleeper = ShutdownSignal()
    let isPoked = state.withLock { state in
      state.sleeper = sleeper
      state.status.nextRun = time.now() + interval
      return state.isPoked
    }
    if isPoked { return }
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await sleeper.wait() }
      group.addTask { await Shutdown.requested() }
      group.addTask { [interval] in
        try? await Task.sleep(for: interval)  // a cancelled sleep only means that something else woke us
      }
      await group.next()
      group.cancelAll()
    }
  }

  struct TimedOut: Error, CustomStringConvertible {
    let limit: Duration
    var description: String { "did not finish within \(limit)" }
  }
}

/// What is known of a background task.
public struct TaskStatus: Sendable {
  public enum Result: Sendable, Equatable {
    case success(String)
    case failure(String)
  }

  public let name: String
  public let interval: Duration
  public internal(set) var isRunning = false
  public internal(set) var startedAt: Timestamp?
  public internal(set) var lastDuration: Duration?
  public internal(set) var lastResult: Result?
  public internal(set) var nextRun: Timestamp?
  public internal(set) var completedRuns = 0

  init(name: String, interval: Duration) {
    self.name = name
    self.interval = interval
  }
}

extension JSONWriter {
  /// The status as `/api/v1/info` and `/tasks` show it.
  public mutating func value(_ status: TaskStatus) {
    object { json in
      json.member("name", status.name)
      json.member("interval_seconds", Int(status.interval.inSeconds))
      json.member("running", status.isRunning)
      json.member("last_run", status.startedAt)
      json.key("last_duration_ms")
      if let took = status.lastDuration { json.integer(took.microseconds / 1000) } else { json.null() }
      json.key("last_result")
      switch status.lastResult {
      case nil: json.null()
      case .success(let text):
        json.object {
          $0.member("ok", true)
          $0.member("message", text)
        }
      case .failure(let text):
        json.object {
          $0.member("ok", false)
          $0.member("message", text)
        }
      }
      json.member("next_run", status.nextRun)
    }
  }
}
