internal import Synchronization

/// Wakes long-polls when a batch became visible.
final class FeedSignal: Sendable {
  private struct State {
    var lsn: UInt64
    var next = 0
    var waiters: [Int: Waiter] = [:]
  }

  private struct Waiter {
    let lsn: UInt64
    let continuation: CheckedContinuation<Void, Never>
  }

  private let state: Mutex<State>

  init(lsn: UInt64) { state = Mutex(State(lsn: lsn)) }

  /// Wakes those who wait for something up to `lsn`. A batch is answered before it is announced, so that one who has
  /// seen it already may wait here for the next: that one sleeps on.
  func announce(_ lsn: UInt64) {
    let due = state.withLock { state in
      state.lsn = max(state.lsn, lsn)
      let due = state.waiters.filter { $0.value.lsn < state.lsn }
      for ticket in due.keys { state.waiters[ticket] = nil }
      return due
    }
    for waiter in due.values { waiter.continuation.resume() }
  }

  /// How many wait.
  var waiterCount: Int { state.withLock { $0.waiters.count } }

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
          state.waiters[ticket] = Waiter(lsn: lsn, continuation: continuation)
          return false
        }
        if isDue { continuation.resume() }
      }
    } onCancel: {
      state.withLock { $0.waiters.removeValue(forKey: ticket) }?.continuation.resume()
    }
  }
}
