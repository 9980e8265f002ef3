internal import Core
internal import Synchronization

/// How fast one site is read: shared by all that read from it at the same time. Who has read waits until the bytes
/// were due, which keeps the sender waiting too.
final class SyncPace: Sendable {
  private let bytesPerSecond: Int?
  private let time: any TimeSource
  private let due: Mutex<Duration>

  init(bytesPerSecond: Int?, time: any TimeSource) {
    self.bytesPerSecond = bytesPerSecond
    self.time = time
    due = Mutex(time.uptime())
  }

  /// Counts bytes that were read and waits for as long as they should have taken.
  func passed(_ bytes: Int) async throws {
    guard let bytesPerSecond else { return }
    let now = time.uptime()
    let wait = due.withLock { due in
      due = max(due, now) + .microseconds(Int64(bytes) * 1_000_000 / Int64(bytesPerSecond))
      return due - now
    }
    if wait > .milliseconds(1) { try await Task.sleep(for: wait) }
  }

  /// Lines to ask for, so that a page of ordinary ones takes about ten seconds.
  func lines(most: Int) -> Int {
    guard let bytesPerSecond else { return most }
    return min(most, max(bytesPerSecond * 10 / 600, 50))
  }
}
