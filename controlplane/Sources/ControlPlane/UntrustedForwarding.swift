internal import Core
internal import HTTPServer
internal import Synchronization
internal import Telemetry

/// Notices that somebody who is not believed says for whom it asks: most likely a gateway that CP_TRUSTED_PROXIES does
/// not name, behind which all clients share the gateway's budget of login and token attempts and one name in the audit.
final class UntrustedForwarding: Sendable {
  /// Remembered and not logged again for so long.
  static let memory: Duration = .seconds(600)

  private struct Seen {
    let peer: String
    let at: Duration
    let loggedAt: Duration
  }

  private let time: any TimeSource
  private let logger: Logger
  private let ignored: Counter
  private let seen = Mutex<Seen?>(nil)

  init(time: any TimeSource, logger: Logger, metrics: MetricsRegistry) {
    self.time = time
    self.logger = logger
    ignored = metrics.counter(
      "cp_forwarded_ignored_total",
      help: "Requests whose X-Forwarded-For was not believed: they came from none of CP_TRUSTED_PROXIES.")
  }

  func note(_ peer: String) {
    ignored.increment()
    let now = time.uptime()
    let isNews = seen.withLock { seen in
      let isNews = seen.map { now - $0.loggedAt >= Self.memory } ?? true
      seen = Seen(peer: peer, at: now, loggedAt: isNews ? now : seen?.loggedAt ?? now)
      return isNews
    }
    guard isNews else { return }
    logger.warning(
      "X-Forwarded-For is not believed: all clients behind this peer share one budget of login and token attempts, "
        + "and its address in the audit; if it is your gateway, name it in CP_TRUSTED_PROXIES",
      ["peer": .string(peer)])
  }

  /// Never worse than ok: anybody who reaches the port can send the header.
  var check: ReadinessCheck {
    let now = time.uptime()
    guard let last = seen.withLock({ $0 }), now - last.at < Self.memory else {
      return ReadinessCheck("client_addresses", .ok, "as the connections say, or trusted proxies")
    }
    return ReadinessCheck(
      "client_addresses", .ok,
      "X-Forwarded-For comes from a peer that is not in CP_TRUSTED_PROXIES; if it is your gateway, all clients share "
        + "its budget of login and token attempts")
  }
}
