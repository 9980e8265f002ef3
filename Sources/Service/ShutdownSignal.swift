internal import Synchronization

/// A flag that is raised once and can be waited for.
public final class ShutdownSignal: Sendable {
  private enum State {
    case waiting([Int: CheckedContinuation<Void, Never>])
    case raised
  }

  private let state = Mutex<(state: State, nextID: Int)>((.waiting([:]), 0))

  public init() {}

  public var isRaised: Bool {
    state.withLock { if case .raised = $0.state { true } else { false } }
  }

  public func raise() {
    let waiters = state.withLock { held -> [CheckedContinuation<Void, Never>] in
      guard case .waiting(let waiters) = held.state else { return [] }
      held.state = .raised
      return Array(waiters.values)
    }
    for waiter in waiters { waiter.resume() }
  }

  /// Returns when the flag is up or the task is cancelled.
  public func wait() async {
    let id = state.withLock { held in
      held.nextID += 1
      return held.nextID
    }
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let isOver = state.withLock { held in
          guard case .waiting(var waiters) = held.state, !Task.isCancelled else { return true }
          waiters[id] = continuation
          held.state = .waiting(waiters)
          return false
        }
        if isOver { continuation.resume() }
      }
    } onCancel: {
      let waiter = state.withLock { held -> CheckedContinuation<Void, Never>? in
        guard case .waiting(var waiters) = held.state else { return nil }
        let waiter = waiters.removeValue(forKey: id)
        held.state = .waiting(waiters)
        return waiter
      }
      waiter?.resume()
    }
  }
}
