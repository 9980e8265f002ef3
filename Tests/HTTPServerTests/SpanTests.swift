import Core
import HTTP
import Telemetry
import Testing

@testable import HTTPServer

/// Spans of finished requests.
@Suite(.timeLimit(.minutes(1)))
struct SpanTests {
  private static let trace = "0123456789abcdef0123456789abcdef"
  private static let parent = "00f067aa0ba902b7"

  private static let routes: [Route] = [
    Route(.get, "/files/{id}", RunningServer.open) { .text(.ok, $0.trace.traceparent) },
    .atOnce(.get, "/at-once/{id}", RunningServer.open) { .text(.ok, $0.trace.traceparent) },
    Route(.get, "/breaks", RunningServer.open) { _ in throw APIError(.internalError, "broken") },
  ]

  private static func get(_ path: String, traceparent: String? = nil) -> String {
    "GET \(path) HTTP/1.1\r\nHost: x\r\n" + (traceparent.map { "traceparent: \($0)\r\n" } ?? "") + "\r\n"
  }

  /// The answers' bodies and the spans of these requests on one connection.
  private func spans(
    _ requests: [String], sampledPercent: Double = 0
  ) async throws -> (bodies: [String], spans: [TraceSpan]) {
    let ring = SpanRing(random: SystemRandom())
    let bodies = try await RunningServer.with(Self.routes, spans: ring, sampledPercent: sampledPercent) {
      handle -> [String] in
      try await handle.client { client -> [String] in
        try requests.map { request -> String in
          try client.send(request)
          return String(decoding: try client.answer().body, as: UTF8.self)
        }
      }
    }
    return (bodies, ring.page(limit: 100).spans)
  }

  @Test(arguments: ["/files/ivanov.pdf", "/at-once/ivanov.pdf"])
  func aSampledRequestLeavesItsSpan(path: String) async throws {
    let sampled = Self.get(path, traceparent: "00-\(Self.trace)-\(Self.parent)-01")
    // The second of a connection's requests may be answered at once.
    let (bodies, spans) = try await spans([sampled, sampled])
    #expect(spans.count == 2)
    for (body, span) in zip(bodies, spans) {
      #expect(span.traceID == Self.trace && span.parentID == Self.parent && span.spanID != Self.parent)
      #expect(body == "00-\(Self.trace)-\(span.spanID)-01", "what the handler calls is its child")
      #expect(span.status == 200 && !span.failed && span.durationMicroseconds >= 0)
      #expect(!span.name.contains("ivanov"), "\(span.name)")
    }
    #expect(Set(spans.map(\.spanID)).count == 2)
    #expect(spans[0].name == (path.hasPrefix("/files") ? "GET /files/{id}" : "GET /at-once/{id}"))
  }

  @Test func othersLeaveNoneUnlessTheyFail() async throws {
    let (_, spans) = try await spans([
      Self.get("/files/1"), Self.get("/files/1", traceparent: "00-\(Self.trace)-\(Self.parent)-00"),
      Self.get("/nothing"), Self.get("/breaks"),
    ])
    #expect(spans.map(\.name) == ["GET /breaks"])
    #expect(spans.first?.failed == true && spans.first?.status == 500 && spans.first?.parentID == nil)
  }

  @Test func aShareOfTracesThatBeginHereIsSampled() async throws {
    let requests = (0..<400).map { Self.get("/files/\($0)") }
    let (bodies, all) = try await spans(requests, sampledPercent: 100)
    #expect(all.count == 100, "a page")
    #expect(bodies.allSatisfy { $0.hasSuffix("-01") })
    let (some, _) = try await spans(requests, sampledPercent: 50)
    let share = some.count { $0.hasSuffix("-01") }
    #expect((120...280).contains(share), "\(share)")
    // Whoever began the trace has decided.
    let decided = Self.get("/files/1", traceparent: "00-\(Self.trace)-\(Self.parent)-00")
    #expect(try await spans([decided], sampledPercent: 100).spans.isEmpty)
  }
}
