internal import CLinux

/// A point on the monotonic clock, in nanoseconds since an arbitrary start.
public struct Deadline: Hashable, Comparable, Sendable {
  public let nanoseconds: Int64

  public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

  /// Further away than any machine runs.
  public static let never = Deadline(nanoseconds: .max)

  /// The present. The current loop's idea of it when there is one (it is read once a turn), else the clock's.
  public static var now: Deadline {
    EventLoop.current?.now ?? Deadline(nanoseconds: clinux_monotonic_nanoseconds())
  }

  /// The clock itself, read now: to measure with.
  public static var clock: Deadline { Deadline(nanoseconds: clinux_monotonic_nanoseconds()) }

  /// So long from now; what would overflow is `never`.
  public static func after(_ duration: Duration) -> Deadline { now + duration }

  public static func + (deadline: Deadline, duration: Duration) -> Deadline {
    let (seconds, attoseconds) = duration.components
    guard seconds < 4_000_000_000 else { return .never }
    let (sum, overflow) = deadline.nanoseconds.addingReportingOverflow(
      seconds * 1_000_000_000 + attoseconds / 1_000_000_000)
    return overflow ? .never : Deadline(nanoseconds: sum)
  }

  /// So many nanoseconds later; what would overflow is `never`.
  public func after(nanoseconds more: Int64) -> Deadline {
    let (sum, overflow) = nanoseconds.addingReportingOverflow(more)
    return overflow ? .never : Deadline(nanoseconds: sum)
  }

  public static func < (a: Deadline, b: Deadline) -> Bool { a.nanoseconds < b.nanoseconds }

  /// How long after `other` this is.
  public func since(_ other: Deadline) -> Duration { .nanoseconds(nanoseconds - other.nanoseconds) }
}

extension Duration {
  /// Rounded down; what is more than an `Int64` holds counts as its largest.
  public var wholeNanoseconds: Int64 {
    let (seconds, attoseconds) = components
    let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
    let (sum, overflows) = product.addingReportingOverflow(attoseconds / 1_000_000_000)
    return overflow || overflows ? .max : sum
  }
}
