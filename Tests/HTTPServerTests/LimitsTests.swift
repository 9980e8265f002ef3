import Core
import Glibc
import HTTP
import HTTPServer
import Reactor
import Service
import Telemetry
import TestKit
import Testing

@Suite(.timeLimit(.minutes(1)))
struct LimitsTests {
  static let open = RunningServer.open
  static let routes: [Route] = [
    Route(.get, "/hello", open) { _ in .text(.ok, "hello") },
    Route(.post, "/echo", open, bodyLimit: .max) { request in
      Response(.ok, body: .bytes(try await request.body.collect(limit: .max)))
    },
    Route(.get, "/slow", open) { _ in
      try await IO.sleep(.milliseconds(300))
      return .text(.ok, "slow")
    },
    Route(.get, "/forever", open) { _ in
      try await IO.sleep(.seconds(1000))
      return .text(.ok, "never")
    },
    Route(.get, "/endless", open) { _ in
      Response(
        .ok,
        body: .stream(length: nil) { writer in
          let piece = [UInt8](repeating: 7, count: 100_000)
          while true { try await writer.write(piece) }
        })
    },
  ]

  static func refusals(_ server: RunningServer.Handle, _ reason: String) -> Bool {
    String(decoding: server.registry.render(), as: UTF8.self)
      .contains("t_http_refusals_total{server=\"test\",reason=\"\(reason)\"}")
  }

  @Test func idleConnectionsEnd() async throws {
    var limits = HTTPLimits()
    limits.idleTimeout = .milliseconds(50)
    try await RunningServer.with(Self.routes, limits: limits) { server in
      let (answer, rest) = try await server.client { client in
        try client.send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
        return (try client.answer(), try client.rest())
      }
      #expect(answer.text == "hello" && rest.isEmpty)
      #expect(try await server.client { try $0.rest() }.isEmpty)
      #expect(Self.refusals(server, "idle_timeout"))
    }
  }

  @Test func slowHeadsAreAnswered408() async throws {
    var limits = HTTPLimits()
    limits.headTimeout = .milliseconds(50)
    try await RunningServer.with(Self.routes, limits: limits) { server in
      let (answer, rest) = try await server.client { client in
        try client.send("GET /hello HT")
        return (try client.answer(), try client.rest())
      }
      #expect(answer.status == 408 && answer.text.contains("TIMEOUT") && rest.isEmpty)
      #expect(Self.refusals(server, "head_timeout"))
    }
  }

  @Test func bodiesThatStopAreAnswered408() async throws {
    var limits = HTTPLimits()
    limits.bodyIdleTimeout = .milliseconds(50)
    try await RunningServer.with(Self.routes, limits: limits) { server in
      let answer = try await server.get("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
      #expect(answer.status == 408 && answer.field("Connection") == "close")
      #expect(Self.refusals(server, "body_timeout"))
    }
  }

  @Test func bodiesThatTrickleAreCutOff() async throws {
    var limits = HTTPLimits()
    limits.bodyGrace = .milliseconds(50)
    limits.bodyBytesPerSecondMin = 10_000
    try await RunningServer.with(Self.routes, limits: limits) { server in
      let answer = try await server.client { client in
        try client.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
        for _ in 0..<200 {
          usleep(2000)
          do { try client.send("x") } catch { break }
        }
        return try client.answer()
      }
      #expect(answer.status == 408)
      #expect(Self.refusals(server, "body_pace"))
    }
  }

  @Test func clientsThatDoNotReadAreCutOff() async throws {
    var limits = HTTPLimits()
    limits.bodyIdleTimeout = .milliseconds(100)
    try await RunningServer.with(Self.routes, limits: limits) { server in
      try await server.client { client in
        try client.send("GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
        for _ in 0..<1000 where !Self.refusals(server, "answer_timeout") { usleep(5000) }
      }
      #expect(Self.refusals(server, "answer_timeout"))
    }
  }

  /// What such a client has not read must not stay in the kernel for as long as it likes.
  @Test func whatIsNotReadIsForgotten() async throws {
    var limits = HTTPLimits()
    limits.bodyIdleTimeout = .milliseconds(100)
    try await RunningServer.with(Self.routes, limits: limits) { server in
      let end = try await server.client { client in
        try client.send("GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
        for _ in 0..<1000 where !Self.refusals(server, "answer_timeout") { usleep(5000) }
        return client.pendingError()
      }
      #expect(end == ECONNRESET)
    }
  }

  @Test func aGracefulStopFinishesWhatIsUnderWay() async throws {
    let (began, gate) = (ShutdownSignal(), ShutdownSignal())
    let gated = Route(.get, "/gated", Self.open) { _ in
      began.raise()
      await gate.wait()
      return .text(.ok, "slow")
    }
    // One loop: when it has ended the idle connection, it knows that it stops.
    try await RunningServer.with(Self.routes + [gated]) { server in
      async let idle = server.client { client in
        try client.send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
        _ = try client.answer()
        return try client.rest()
      }
      async let busy = server.client { client in
        try client.send("GET /gated HTTP/1.1\r\nHost: x\r\n\r\n")
        return (try client.answer(), try client.rest())
      }
      await began.wait()
      server.shutdown.raise()
      #expect(try await idle.isEmpty, "idle connections end at once")
      gate.raise()
      let (answer, rest) = try await busy
      #expect(answer.text == "slow" && answer.field("Connection") == "close" && rest.isEmpty)
      await #expect(throws: (any Error).self) {
        _ = try await server.get("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
      }
    }
  }

  @Test func aStopServesWhoHasJustComeIn() async throws {
    try await RunningServer.with(Self.routes) { server in
      let connected = ShutdownSignal()
      async let answer = server.client { client in
        // Let in for sure: the loop answers others in between.
        let other = try RawClient(server.address)
        try other.send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
        _ = try other.answer()
        connected.raise()
        _ = try other.rest()
        try client.send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
        return try client.answer()
      }
      await connected.wait()
      server.shutdown.raise()
      let got = try await answer
      #expect(got.text == "hello")
    }
  }

  @Test func aStopDoesNotWaitForever() async throws {
    var limits = HTTPLimits()
    limits.stopTimeout = .milliseconds(50)
    try await RunningServer.with(Self.routes, limits: limits) { server in
      async let endless = server.client { client in
        try client.send("GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
        for _ in 0..<10 { usleep(10_000) }
        return try? client.rest().count
      }
      try await IO.sleep(.milliseconds(20))
      server.shutdown.raise()
      _ = try await endless
    }
  }

  @Test func cancellationEndsEverythingAtOnce() async throws {
    let loops = try EventLoopGroup(loops: 1)
    let server = HTTPServer(
      HTTPServerConfiguration(name: "test", address: .loopback(port: 0), tls: nil),
      router: Router(Self.routes, authorizer: RunningServer.Everyone()), loops: loops, logger: .silent,
      metrics: HTTPServerMetrics(MetricsRegistry(), prefix: "t_"))
    let address = try server.bind()
    let pool = BlockingPool(name: "clients", threads: 1, queueLimit: 1)
    await withTaskGroup(of: Void.self) { group in
      group.addTask { try? await server.run() }
      group.addTask {
        _ = try? await pool.run {
          let client = try RawClient(address)
          try client.send("GET /forever HTTP/1.1\r\nHost: x\r\n\r\n")
          return try client.rest()
        }
      }
      try? await IO.sleep(.milliseconds(50))
      group.cancelAll()
    }
    pool.shutdown()
    loops.shutdown()
  }

  @Test func tellsWhatItDid() async throws {
    try await RunningServer.with(Self.routes) { server in
      _ = try await server.get(
        "GET /hello HTTP/1.1\r\nHost: x\r\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n"
      )
      _ = try await server.get("GET /nothing-\(UInt64.max) HTTP/1.1\r\nHost: x\r\n\r\n")
      // A request is counted just after its answer has gone out.
      var figures = ""
      for _ in 0..<500 where !figures.contains("status=\"404\"} 1") {
        figures = String(decoding: server.registry.render(), as: UTF8.self)
        try await Task.sleep(for: .milliseconds(10))
      }
      #expect(
        figures.contains("t_http_requests_total{server=\"test\",method=\"GET\",route=\"/hello\",status=\"200\"} 1"))
      #expect(figures.contains("method=\"GET\",route=\"none\",status=\"404\"} 1"))
      #expect(!figures.contains("nothing"))
      let line = server.log.text.first { $0.contains("\"event\":\"request\"") && $0.contains("/hello") }
      #expect(line?.contains("\"trace_id\":\"0af7651916cd43dd8448eb211c80319c\"") == true)
      #expect(line?.contains("\"status\":200") == true)
    }
  }
}
