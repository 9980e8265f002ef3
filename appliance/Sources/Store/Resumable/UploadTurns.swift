internal import HTTP
internal import Reactor
internal import Synchronization

/// One request at a time works on an upload, and the newest one wins: the client has given up on what it sent before,
/// or that connection is dead and nobody knows it yet.
final class UploadTurns: Sendable {
  private struct State {
    var holder: UploadTurn?
    /// The one that comes next: only the newest waits, the others were told.
    var waiter: UploadTurn?
  }

  private let state = Mutex(State())
  /// The one before must come out of its wait for the network, and may be finishing on the disk.
  static let waitMax: Duration = .seconds(20)

  /// Takes the turn: whoever has it is told to end, and waited for. `CONFLICT` when a still newer one comes meanwhile,
  /// `OVERLOADED` when the one before does not end in time.
  func take() async throws(APIError) -> UploadTurn {
    let turn = UploadTurn()
    let others = state.withLock { state -> (holder: UploadTurn?, older: UploadTurn?) in
      guard let holder = state.holder else {
        state.holder = turn
        return (nil, nil)
      }
      defer { state.waiter = turn }
      return (holder, state.waiter)
    }
    guard let holder = others.holder else { return turn }
    others.older?.preempt()
    holder.preempt()
    await turn.granted(within: Self.waitMax)
    let isOurs = state.withLock { state in
      if state.waiter === turn { state.waiter = nil }
      return state.holder === turn
    }
    guard isOurs else {
      throw turn.isPreempted
        ? UploadTurn.taken
        : APIError(
          .overloaded, "the request before this one still writes this upload's bytes; try again in a second",
          headers: ["Retry-After": "1"])
    }
    return turn
  }

  /// Takes the turn only when nobody has it.
  func takeIfFree() -> UploadTurn? {
    state.withLock { state in
      guard state.holder == nil else { return nil }
      let turn = UploadTurn()
      state.holder = turn
      return turn
    }
  }

  /// Hands the turn on.
  func give(back turn: UploadTurn) {
    let next = state.withLock { state -> UploadTurn? in
      guard state.holder === turn else { return nil }
      state.holder = state.waiter
      state.waiter = nil
      return state.holder
    }
    next?.grant()
  }
}

/// One request's turn at an upload.
final class UploadTurn: Sendable {
  private struct State {
    var isPreempted = false
    var isGranted = false
    var listeners: [Int: CheckedContinuation<Void, Never>] = [:]
    var next = 0
  }

  private let state = Mutex(State())

  static var taken: APIError {
    APIError(
      .conflict, "a newer request has taken over this upload; ask for its offset with HEAD before sending more")
  }

  var isPreempted: Bool { state.withLock { $0.isPreempted } }

  func preempt() { change { $0.isPreempted = true } }

  func grant() { change { $0.isGranted = true } }

  /// Returns once somebody newer wants the turn, or the task is cancelled.
  func preempted() async { await wait { $0.isPreempted } }

  /// Returns once the turn is ours or somebody newer wants it, after `limit`, or when the task is cancelled.
  func granted(within limit: Duration) async {
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await self.wait { $0.isGranted || $0.isPreempted } }
      group.addTask { try? await IO.sleep(limit) }  // only cancellation ends it early, which is meant
      await group.next()
      group.cancelAll()
    }
  }

  private func change(_ body: (inout State) -> Void) {
    let waiting = state.withLock { state in
      body(&state)
      defer { state.listeners = [:] }
      return state.listeners.values
    }
    for continuation in waiting { continuation.resume() }
  }

  private func wait(until isDone: @Sendable (borrowing State) -> Bool) async {
    let ticket = state.withLock { state in
      state.next += 1
      return state.next
    }
    while true {
      await withTaskCancellationHandler {
        await withCheckedContinuation { continuation in
          let isDue = state.withLock { state in
            if isDone(state) || Task.isCancelled { return true }
            state.listeners[ticket] = continuation
            return false
          }
          if isDue { continuation.resume() }
        }
      } onCancel: {
        state.withLock { $0.listeners.removeValue(forKey: ticket) }?.resume()
      }
      if Task.isCancelled || state.withLock({ isDone($0) }) { return }
    }
  }
}
