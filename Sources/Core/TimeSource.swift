internal import Glibc

/// Where the time comes from. Injected everywhere, so that tests and the simulation own it.
public protocol TimeSource: Sendable {
  /// Civil time. May jump: use it for stamps and expiry, never to measure.
  func now() -> Timestamp
  /// Time since an arbitrary start; never goes backwards: use it to measure and for deadlines.
  func uptime() -> Duration
}

/// The machine's clocks.
public struct SystemTime: TimeSource {
  public init() {}

  public func now() -> Timestamp {
    let (seconds, nanoseconds) = Self.read(CLOCK_REALTIME)
    return Timestamp(microseconds: seconds * 1_000_000 + nanoseconds / 1000)
  }

  public func uptime() -> Duration {
    let (seconds, nanoseconds) = Self.read(CLOCK_MONOTONIC)
    return .nanoseconds(seconds * 1_000_000_000 + nanoseconds)
  }

  private static func read(_ clock: clockid_t) -> (seconds: Int64, nanoseconds: Int64) {
    var time = timespec()
    let status = clock_gettime(clock, &time)
    precondition(status == 0, "clock_gettime failed for a clock every Linux has")
    return (Int64(time.tv_sec), Int64(time.tv_nsec))
  }
}
