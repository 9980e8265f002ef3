internal import Core
internal import Synchronization

/// The machine's clock corrected by what the control plane last said: for token checks only.
final class OffsetTime: TimeSource {
  private let base: any TimeSource
  private let offset: Atomic<Int64>

  init(base: any TimeSource, offsetMilliseconds: Int64) {
    self.base = base
    offset = Atomic(offsetMilliseconds)
  }

  var offsetMilliseconds: Int64 { offset.load(ordering: .relaxed) }

  func set(offsetMilliseconds: Int64) { offset.store(offsetMilliseconds, ordering: .relaxed) }

  func now() -> Timestamp { Timestamp(microseconds: base.now().microseconds + offsetMilliseconds * 1000) }

  func uptime() -> Duration { base.uptime() }
}
