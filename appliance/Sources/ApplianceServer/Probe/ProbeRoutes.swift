public import Core
internal import HTTP
internal import HTTPServer
internal import Synchronization
internal import Telemetry

/// The probe listener (8011): no client certificate, so nothing that tells of documents: checks by name and status, an
/// allow-list of figures, the version. All of it under one rate limit.
struct ProbeRoutes: Sendable {
  let readiness: Readiness
  let metrics: MetricsRegistry
  let time: any TimeSource
  let limit: RateLimit

  /// What a far monitoring system may know.
  static let metricNames: Set<String> = [
    "se_up", "se_ready", "se_free_ratio", "se_certificate_expiry_seconds", "se_scrub_age_seconds",
    "se_journal_errors_total",
  ]

  var routes: [Route] {
    let readiness = readiness
    let service = serviceRoutes(
      service: "appliance", time: time, metrics: metrics, metricNames: Self.metricNames
    ) {
      readiness.checks().map { ReadinessCheck($0.name, $0.status, "") }
    }
    let version = Route(.get, "/version", .open(reason: "monitoring compares versions across sites")) { _ in
      .json { json in
        json.member("version", Product.version)
        json.member("service", "appliance")
      }
    }
    return service + [version]
  }
}

/// A token bucket for a whole listener: `perSecond` sustained, `burst` at once. Nothing is kept for each caller, so
/// that nobody can fill memory with addresses.
public final class RateLimit: Sendable {
  private let perSecond: Double
  private let burst: Double
  private let time: any TimeSource
  private let bucket: Mutex<(tokens: Double, at: Duration)>

  public init(perSecond: Double, burst: Double, time: any TimeSource) {
    self.perSecond = perSecond
    self.burst = burst
    self.time = time
    bucket = Mutex((burst, time.uptime()))
  }

  /// Takes one token; false when there is none.
  public func take() -> Bool {
    bucket.withLock { bucket in
      let now = time.uptime()
      bucket.tokens = min(burst, bucket.tokens + (now - bucket.at).inSeconds * perSecond)
      bucket.at = now
      guard bucket.tokens >= 1 else { return false }
      bucket.tokens -= 1
      return true
    }
  }
}

/// Lets everybody in, as often as the limit allows.
struct ProbeAuthorizer: Authorizer {
  let limit: RateLimit

  func authorize(_ request: Request, for access: Access) async throws(APIError) -> Principal {
    guard limit.take() else {
      throw APIError(.rateLimited, "too many probes; ask less often", headers: ["Retry-After": "1"])
    }
    guard case .open = access else { throw APIError(.forbidden, "the probe listener serves probes only") }
    return .nobody
  }
}
