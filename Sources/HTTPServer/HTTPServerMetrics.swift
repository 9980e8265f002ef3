public import Telemetry

/// The figures of every HTTP server in a process, told apart by the label `server`. Made once a process.
public final class HTTPServerMetrics: Sendable {
  let requests: Counter
  let duration: Histogram
  let connections: Gauge
  let refusals: Counter
  let handshakes: Counter
  let bytes: Counter

  /// - Parameter prefix: of every name, with its underscore: `se_`, `cp_`.
  public init(_ registry: MetricsRegistry, prefix: String) {
    requests = registry.counter(
      "\(prefix)http_requests_total", help: "Requests answered.", labels: ["server", "method", "route", "status"])
    duration = registry.histogram(
      "\(prefix)http_request_duration_seconds", help: "From a request's head to the last byte of its answer.",
      buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60], labels: ["server"])
    connections = registry.gauge("\(prefix)http_connections", help: "Open connections.", labels: ["server"])
    refusals = registry.counter(
      "\(prefix)http_refusals_total", help: "Connections and requests that a limit or the protocol ended.",
      labels: ["server", "reason"])
    handshakes = registry.counter(
      "\(prefix)tls_handshakes_total", help: "TLS handshakes, by how they ended: full, resumed, failed.",
      labels: ["server", "kind"])
    bytes = registry.counter(
      "\(prefix)http_body_bytes_total", help: "Body bytes.", labels: ["server", "direction"])
  }
}
