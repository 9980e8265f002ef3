internal import Reactor

/// Watches that a peer keeps a least pace. Only the time spent waiting for the peer counts.
struct Progress {
  private let grace: Duration
  private let bytesPerSecondMin: Int
  private var waited = Duration.zero
  private var moved = 0

  init(_ limits: HTTPLimits) {
    grace = limits.bodyGrace
    bytesPerSecondMin = limits.bodyBytesPerSecondMin
  }

  /// Adds what moved after a wait; false when the peer is too slow.
  mutating func add(bytes: Int, waited more: Duration) -> Bool {
    moved += bytes
    waited += more
    guard bytesPerSecondMin > 0, waited > grace else { return true }
    let seconds = Double(waited.components.seconds) + Double(waited.components.attoseconds) * 1e-18
    return Double(moved) >= seconds * Double(bytesPerSecondMin)
  }
}
