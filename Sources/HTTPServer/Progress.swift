internal import Reactor

/// Watches that a peer keeps a least pace. Only the time spent waiting for the peer counts.
struct Progress {
  private var waited = Duration.zero
  private var moved = 0

  /// Adds what moved after a wait; false when the peer is too slow.
  mutating func add(bytes: Int, waited more: Duration, within limits: HTTPLimits) -> Bool {
    moved += bytes
    waited += more
    guard limits.bodyBytesPerSecondMin > 0, waited > limits.bodyGrace else { return true }
    let seconds = Double(waited.components.seconds) + Double(waited.components.attoseconds) * 1e-18
    return Double(moved) >= seconds * Double(limits.bodyBytesPerSecondMin)
  }
}
