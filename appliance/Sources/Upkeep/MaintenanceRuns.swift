internal import Core
internal import HTTP
internal import Synchronization

/// The passes asked for, running and ended; at most one of a kind at a time.
final class MaintenanceRuns: Sendable {
  private struct State {
    var runs: [MaintenanceRun] = []
    var active: [MaintenanceRun.Kind: String] = [:]
    var waiters: [(id: String, ticket: Int, continuation: CheckedContinuation<Void, Never>)] = []
    var tickets = 0
  }

  private let time: any TimeSource
  private let random: any RandomSource
  private let state = Mutex(State())
  private static let keptMax = 32

  init(time: any TimeSource, random: any RandomSource) {
    self.time = time
    self.random = random
  }

  /// A run that the task will perform; its id.
  func request(_ kind: MaintenanceRun.Kind) throws(APIError) -> String {
    let run = MaintenanceRun(id: Hex.encode(random.bytes(8)), kind: kind, startedAt: time.now())
    let isFree = state.withLock { state in
      guard state.active[kind] == nil else { return false }
      state.active[kind] = run.id
      state.runs.append(run)
      if state.runs.count > Self.keptMax { state.runs.removeFirst() }
      return true
    }
    guard isFree else {
      throw APIError(.reconcileInProgress, "a \(kind.rawValue) pass is running already; ask for its report later")
    }
    return run.id
  }

  /// Whether somebody asked for a run that has not begun or ended.
  func isRequested(_ kind: MaintenanceRun.Kind) -> Bool { state.withLock { $0.active[kind] != nil } }

  func run(_ id: String) -> MaintenanceRun? { state.withLock { $0.runs.last { $0.id == id } } }

  /// Performs the requested run, or one of the timer's own; what it did, for the task's status.
  func perform(
    _ kind: MaintenanceRun.Kind, _ work: @Sendable () async throws -> MaintenanceReport
  ) async throws -> String {
    let requested = state.withLock { $0.active[kind] }
    let id = try requested ?? request(kind)
    do {
      let report = try await work()
      end(id) { $0.report = report }
      return "\(report.filesChecked) documents checked, \(report.issueCount) issues"
    } catch {
      end(id) { $0.failure = "\(error)" }
      throw error
    }
  }

  private func end(_ id: String, _ change: (inout MaintenanceRun) -> Void) {
    let waiters = state.withLock { state in
      if let place = state.runs.lastIndex(where: { $0.id == id }) {
        change(&state.runs[place])
        state.active[state.runs[place].kind] = nil
      }
      defer { state.waiters.removeAll { $0.id == id } }
      return state.waiters.filter { $0.id == id }
    }
    for waiter in waiters { waiter.continuation.resume() }
  }

  /// Returns when the run has ended or `timeout` has passed.
  func wait(for id: String, timeout: Duration) async {
    guard timeout > .zero else { return }
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await self.wait(for: id) }
      group.addTask { try? await Task.sleep(for: timeout) }  // only cancellation ends it early, which is meant
      await group.next()
      group.cancelAll()
    }
  }

  private func wait(for id: String) async {
    let ticket = state.withLock { state in
      state.tickets += 1
      return state.tickets
    }
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let isDue = state.withLock { state in
          if Task.isCancelled || state.runs.last(where: { $0.id == id })?.isEnded != false { return true }
          state.waiters.append((id, ticket, continuation))
          return false
        }
        if isDue { continuation.resume() }
      }
    } onCancel: {
      let waiter = state.withLock { state in
        let place = state.waiters.firstIndex { $0.ticket == ticket }
        return place.map { state.waiters.remove(at: $0) }
      }
      waiter?.continuation.resume()
    }
  }
}
