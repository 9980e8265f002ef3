public import Core
internal import HTTP
public import Telemetry

/// One named condition of being ready.
public struct ReadinessCheck: Sendable {
  public enum Status: String, Sendable, Comparable {
    case ok
    case degraded
    case fail

    private var weight: Int {
      switch self {
      case .ok: 0
      case .degraded: 1
      case .fail: 2
      }
    }

    public static func < (a: Status, b: Status) -> Bool { a.weight < b.weight }
  }

  public let name: String
  public let status: Status
  public let message: String

  public init(_ name: String, _ status: Status, _ message: String) {
    self.name = name
    self.status = status
    self.message = message
  }
}

/// `/health/live`, `/health/ready` and `/metrics` as the contract has them. `metricNames`: an allow-list; nil shows
/// all.
public func serviceRoutes(
  service: String, time: any TimeSource, metrics: MetricsRegistry, metricNames: Set<String>? = nil,
  readiness: @escaping @Sendable () async -> [ReadinessCheck]
) -> [Route] {
  let health = Access.open(reason: "probes carry no credentials and learn nothing about documents")

  @Sendable func base(_ json: inout JSONWriter, _ status: ReadinessCheck.Status) {
    json.member("status", status.rawValue)
    json.member("timestamp", time.now())
    json.member("version", Product.version)
    json.member("service", service)
  }

  return [
    Route(.get, "/health/live", health) { _ in .json { base(&$0, .ok) } },
    Route(.get, "/health/ready", health) { _ in
      let checks = await readiness()
      let overall = checks.map(\.status).max() ?? .ok
      return .json(overall == .fail ? .serviceUnavailable : .ok) { json in
        base(&json, overall)
        json.key("checks")
        json.object { json in
          for check in checks {
            json.key(check.name)
            json.object { json in
              json.member("status", check.status.rawValue)
              json.member("message", check.message)
            }
          }
        }
      }
    },
    Route(.get, "/metrics", health) { _ in
      Response(
        .ok, headers: ["Content-Type": "text/plain; version=0.0.4; charset=utf-8"],
        body: .bytes(metrics.render(only: metricNames)))
    },
  ]
}
