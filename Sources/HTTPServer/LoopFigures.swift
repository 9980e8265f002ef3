internal import HTTP
internal import Telemetry

/// One loop's way to the server's figures: each series is looked up once, for a look-up costs as much as parsing a
/// head.
struct LoopFigures {
  private let metrics: HTTPServerMetrics
  private let server: String
  private let paths: [String]
  private let duration: HistogramSeries
  let bytesIn: CounterSeries
  let bytesOut: CounterSeries
  private var requests: [Int: CounterSeries] = [:]
  private var last: (key: Int, series: CounterSeries)?

  init(_ metrics: HTTPServerMetrics, server: String, routes: [Route]) {
    self.metrics = metrics
    self.server = server
    paths = routes.map(\.path)
    duration = metrics.duration.series(server)
    bytesIn = metrics.bytes.series(server, "in")
    bytesOut = metrics.bytes.series(server, "out")
  }

  mutating func count(_ method: HTTPMethod, _ route: Int?, _ status: HTTPStatus, nanoseconds: Int64) {
    duration.observe(Double(nanoseconds) * 1e-9)
    let key = ((route ?? -1) + 1) << 16 | Self.number(method) << 10 | status.rawValue & 1023
    // A loop mostly answers what it answered before.
    if let last, last.key == key { return last.series.increment() }
    if let known = requests[key] {
      last = (key, known)
      return known.increment()
    }
    let path = route.map { paths[$0] } ?? "none"
    let series = metrics.requests.series(server, method.rawValue, path, String(status.rawValue))
    requests[key] = series
    series.increment()
  }

  private static func number(_ method: HTTPMethod) -> Int {
    switch method {
    case .get: 0
    case .head: 1
    case .put: 2
    case .post: 3
    case .patch: 4
    case .delete: 5
    case .options: 6
    case .trace: 7
    case .connect: 8
    case .query: 9
    case .other: 10
    }
  }
}
