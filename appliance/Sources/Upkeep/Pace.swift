internal import Core

/// Keeps a pass within its budgets: bytes and documents a second, a time for one run, and the operator's pause.
struct Pace: Sendable {
  private let time: any TimeSource
  private let bytesPerSecond: Int
  private let itemsPerSecond: Int
  private let runMax: Duration?
  private let isPaused: @Sendable () -> Bool
  private let began: Duration
  private var bytes = 0
  private var items = 0

  /// `runMax` nil: the run may take as long as it needs, for passes that somebody asked for.
  init(
    time: any TimeSource, bytesPerSecond: Int, itemsPerSecond: Int, runMax: Duration?,
    isPaused: @escaping @Sendable () -> Bool
  ) {
    self.time = time
    self.bytesPerSecond = max(1, bytesPerSecond)
    self.itemsPerSecond = max(1, itemsPerSecond)
    self.runMax = runMax
    self.isPaused = isPaused
    began = time.uptime()
  }

  /// Why a pass has to stop here and go on later.
  enum Halt: Error, CustomStringConvertible {
    case paused
    case outOfTime

    var description: String {
      switch self {
      case .paused: "paused by the setting upkeep_paused; it goes on where it is"
      case .outOfTime: "the time for one run is used up; it goes on where it is"
      }
    }
  }

  /// After `items` of work, `bytes` read: waits until both fit their rates. Throws `Halt`, or `CancellationError`.
  mutating func spend(bytes: Int = 0, items: Int) async throws {
    self.bytes += bytes
    self.items += items
    let due = max(Double(self.bytes) / Double(bytesPerSecond), Double(self.items) / Double(itemsPerSecond))
    let spent = time.uptime() - began
    try Task.checkCancellation()
    if isPaused() { throw Halt.paused }
    if let runMax, spent >= runMax { throw Halt.outOfTime }
    let ahead = Duration.milliseconds(Int64(due * 1000)) - spent
    if ahead > .milliseconds(10) { try await Task.sleep(for: min(ahead, .seconds(60))) }
  }
}
