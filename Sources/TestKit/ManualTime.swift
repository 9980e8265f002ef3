public import Core
internal import Synchronization

/// A clock that only a test moves.
public final class ManualTime: TimeSource {
  private let state: Mutex<(civil: Timestamp, uptime: Duration)>

  /// Begins at 2026-11-20T14:30:12Z unless told otherwise.
  public init(_ start: Timestamp = Timestamp(seconds: 1_795_185_012)) { state = Mutex((start, .seconds(1000))) }

  public func now() -> Timestamp { state.withLock { $0.civil } }

  public func uptime() -> Duration { state.withLock { $0.uptime } }

  /// Both clocks go on.
  public func advance(by duration: Duration) {
    precondition(duration >= .zero, "uptime never goes backwards; use jump")
    state.withLock { state in
      state.civil = state.civil + duration
      state.uptime += duration
    }
  }

  /// Civil time alone changes, as when somebody sets the clock.
  public func jump(to time: Timestamp) { state.withLock { $0.civil = time } }
}
