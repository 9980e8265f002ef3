internal import Reactor
internal import Synchronization

/// Counts a server's connections, all loops together, and says which new ones are too many. Asked before anything is
/// spent on a connection.
final class Admission: Sendable {
  /// Why a connection is not taken; the metric's label.
  enum Refusal: String {
    case connections
    case address
    case handshakeRate = "handshake_rate"
    case handshakes
  }

  private struct Held {
    var perNetwork: [UInt64: Int] = [:]
    var open = 0
    var handshakes = 0
    var tokens: Double
    var refilled: Deadline
  }

  private let limits: HTTPLimits
  private let isTLS: Bool
  private let held: Mutex<Held>

  init(_ limits: HTTPLimits, isTLS: Bool, now: Deadline = .now) {
    self.limits = limits
    self.isTLS = isTLS
    held = Mutex(Held(tokens: Double(limits.handshakesPerSecondMax) * 2, refilled: now))
  }

  /// Counts one more connection, or says why not. `.connections` and `.handshakes` can be mended by making room; then
  /// ask again.
  func enter(_ network: UInt64, now: Deadline, beyondLimits: Bool = false) -> Refusal? {
    held.withLock { held in
      let here = held.perNetwork[network, default: 0]
      if here >= limits.connectionsPerAddressMax { return .address }
      if held.open >= limits.connectionsMax, !beyondLimits { return .connections }
      if isTLS {
        if held.handshakes >= limits.handshakesMax, !beyondLimits { return .handshakes }
        if !takeToken(&held, now) { return .handshakeRate }
        held.handshakes += 1
      }
      held.open += 1
      held.perNetwork[network] = here + 1
      return nil
    }
  }

  /// The connection is closed.
  func leave(_ network: UInt64) {
    held.withLock { held in
      held.open -= 1
      let here = held.perNetwork[network, default: 1] - 1
      held.perNetwork[network] = here == 0 ? nil : here
    }
  }

  func handshakeEnded() { held.withLock { $0.handshakes -= 1 } }

  var open: Int { held.withLock { $0.open } }
  var handshakes: Int { held.withLock { $0.handshakes } }

  private func takeToken(_ held: inout Held, _ now: Deadline) -> Bool {
    guard limits.handshakesPerSecondMax > 0 else { return true }
    let rate = Double(limits.handshakesPerSecondMax)
    let passed = Double(now.nanoseconds - held.refilled.nanoseconds) * 1e-9
    // Loops read the clock once a turn: another may have been here later.
    if passed > 0 {
      held.tokens = min(rate * 2, held.tokens + passed * rate)
      held.refilled = now
    }
    guard held.tokens >= 1 else { return false }
    held.tokens -= 1
    return true
  }
}
