internal import Catalogue
internal import Core
internal import Fleet
internal import HTTP
internal import HTTPClient
internal import Service
internal import Synchronization
internal import Telemetry

/// Sends finished spans to a collector, OTLP over HTTP: this process's own, and where it is the admin role those of the
/// appliances. Off unless configured.
final class TraceExport: Sendable {
  private let endpoint: String
  private let service: String
  private let client: HTTPClient
  private let ring: SpanRing
  private let logger: Logger
  /// Nil: nobody's but our own.
  private let fleet: FleetService?
  private let cursor = Mutex<String?>(nil)

  static let interval = Duration.seconds(10)
  private static let spansMax = 1000

  init(_ foundations: Foundations, endpoint: String, roles: Set<Role>, fleet: FleetService?) {
    self.endpoint = endpoint
    service = roles.count == 1 ? "artstore-\(roles.first?.rawValue ?? "")" : "artstore-controlplane"
    client = foundations.client
    ring = foundations.spans
    logger = foundations.logger
    self.fleet = fleet
  }

  /// What it did, in words. Throws when the collector did not take them: they come again.
  func run() async throws -> String {
    var own = 0
    while true {
      let page = ring.page(after: cursor.withLock { $0 }, limit: Self.spansMax)
      if !page.spans.isEmpty { try await send(page.spans, service: service, instance: "controlplane") }
      cursor.withLock { $0 = page.cursor }
      own += page.spans.count
      if !page.hasMore { break }
    }
    let others =
      try await fleet?.pullSpans { element, spans in
        try await self.send(spans, service: "artstore-appliance", instance: element.name)
      } ?? 0
    return "sent \(own) spans of our own, \(others) of appliances"
  }

  private func send(_ spans: [TraceSpan], service: String, instance: String) async throws {
    let request = ClientRequest(
      .post, endpoint, headers: ["Content-Type": OTLP.mediaType],
      body: .bytes(OTLP.traces(spans, service: service, instance: instance)))
    let response = try await client.send(request)
    _ = try await response.body.collect(limit: 65_536)
    let status = response.status.rawValue
    guard status >= 300 else { return }
    // What it calls wrong it will call wrong again: given up. The rest it may take later.
    guard (400..<500).contains(status), status != 429 else { throw Refused(status: status) }
    logger.warning("traces were refused", ["status": .integer(status), "spans": .integer(spans.count)])
  }

  private struct Refused: Error, CustomStringConvertible {
    let status: Int
    var description: String { "the collector answered \(status)" }
  }
}
