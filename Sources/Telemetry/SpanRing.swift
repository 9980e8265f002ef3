public import Core
internal import Synchronization

/// The newest finished spans, a bounded number: who wants them comes for them. Each has a number, one more than the one
/// before it, so that nobody gets one twice, and everybody learns how many went before they came.
public final class SpanRing: Sendable {
  /// Some spans in the order in which they ended.
  public struct Page: Sendable, Hashable {
    public var spans: [TraceSpan]
    /// Ask for what follows with it.
    public var cursor: String
    public var hasMore: Bool
    /// So many were overwritten before anybody asked.
    public var missed: UInt64
  }

  private struct State {
    var slots: [TraceSpan] = []
    /// How many there have been. The newest lies at `(count - 1) % capacity`.
    var count: UInt64 = 0
  }

  /// Told apart from the ring of another life, whose numbers mean nothing here.
  private let life: String
  private let capacity: Int
  private let state = Mutex(State())

  /// Which of them are kept: those whose caller says that the trace is sampled, and by themselves those that failed or
  /// took at least this long.
  public static let slow = Duration.seconds(1)

  public init(capacity: Int = 4096, random: any RandomSource) {
    precondition(capacity > 0, "a ring holds something")
    self.capacity = capacity
    life = Hex.encode(random.bytes(4))
  }

  public func record(_ span: TraceSpan) {
    state.withLock { state in
      if state.slots.count < capacity {
        state.slots.append(span)
      } else {
        state.slots[Int(state.count % UInt64(capacity))] = span
      }
      state.count += 1
    }
  }

  /// What ended after `cursor`, at most `limit`; from the oldest that is left with nil or a cursor of another life.
  public func page(after cursor: String? = nil, limit: Int) -> Page {
    state.withLock { state in
      let oldest = state.count - UInt64(state.slots.count)
      let known = cursor.flatMap { number($0) }.map { min($0, state.count) }
      let first = max(known ?? oldest, oldest)
      let end = min(first + UInt64(max(0, limit)), state.count)
      return Page(
        spans: (first..<end).map { state.slots[Int($0 % UInt64(capacity))] }, cursor: "\(life)-\(end)",
        hasMore: end < state.count, missed: first - (known ?? first))
    }
  }

  /// How many spans before the cursor; nil for one of another ring.
  private func number(_ cursor: String) -> UInt64? {
    let parts = cursor.split(separator: "-", omittingEmptySubsequences: false)
    guard parts.count == 2, parts[0] == life else { return nil }
    return UInt64(parts[1])
  }
}
