internal import Synchronization

/// Wakes long-polls when a batch became visible.
final class FeedSignal: Sendable {
  private struct State {
    var lsn: UInt64
    var next = 0
    var waiters: [Int: CheckedContinuation<Void, Never>] = [:]
  }

  private let state: Mutex<State>

  init(lsn: UInt64) { state = Mutex(State(lsn: lsn)) }

  func announce(_ lsn: UInt64) {
    let waiters = state.withLock { state in
      state.lsn = max(state.lsn, lsn)
      defer { state.waiters = [:] }
      return state.waiters
    }
    for waiter in waiters.values { waiter.resume() }
  }

  /// Returns once something after `lsn` is visible, `timeout` has passed, or the task is cancelled.
  func wait(after lsn: UInt64, timeout: Duration) async {
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await self.wait(after: lsn) }
      group.addTask { try? await Task.sleep(for: timeout) }  // only cancellation ends it early, which is meant
      await group.next()
      group.cancelAll()
    }
  }

  private func wait(after lsn: UInt64) async {
    let ticket = state.withLock { state in
      state.next += 1
      return state.next
    }
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let isDue = state.withLock { state in
          if state.lsn > lsn || Task.isCancelled { return true }
          state.waiters[ticket] = continuation
          return false
        }
        if isDue { continuation.resume() }
      }
    } onCancel: {
      state.withLock { $0.waiters.removeValue(forKey: ticket) }?.resume()
    }
  }
}
