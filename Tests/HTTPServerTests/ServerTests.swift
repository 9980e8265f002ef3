import Core
import Glibc
import HTTP
import HTTPServer
import Reactor
import Synchronization
import Telemetry
import Testing

@Suite(.timeLimit(.minutes(1)))
struct ServerTests {
  static let open = RunningServer.open

  static let routes: [Route] = [
    Route(.get, "/hello", open) { _ in .text(.ok, "hello") },
    Route(.get, "/empty", open) { _ in .empty(.noContent) },
    Route(.get, "/fails", open) { _ in throw APIError(.conflict, "taken") },
    Route(.get, "/breaks", open) { _ in throw ReactorError.timedOut("inside") },
    Route(.post, "/echo", open, bodyLimit: .max) { request in
      Response(.ok, body: .bytes(try await request.body.collect(limit: .max)))
    },
    Route(.post, "/aligned", open, bodyLimit: .max) { request in
      var (all, strays): ([UInt8], Int) = ([], 0)
      let total = request.body.declaredLength ?? 0
      while let piece = try await request.body.nextAligned() {
        let address = piece.withUnsafeBytes { Int(bitPattern: $0.baseAddress) }
        let isLong = total - all.count >= EventLoop.scratchCount
        // The first came with the head.
        if !all.isEmpty, isLong, (address - all.count) % 4096 != 0 { strays += 1 }
        all += piece
        if isLong, piece.count > EventLoop.scratchCount - 4096, all.count % 4096 != 0 { strays += 1 }
      }
      return Response(strays == 0 ? .ok : .internalServerError, body: .bytes(all))
    },
    Route(.post, "/ignore", open, bodyLimit: .max) { _ in .text(.ok, "ignored") },
    Route(.post, "/small", open, bodyLimit: 10) { request in
      .text(.ok, "\(try await request.body.collect(limit: 100).count)")
    },
    Route(.get, "/stream", open) { _ in
      Response(
        .ok,
        body: .stream(length: nil) { writer in
          for index in 0..<1000 { try await writer.write(Array("line \(index)\n".utf8)) }
        })
    },
    Route(.get, "/sized", open) { _ in
      Response(.ok, body: .stream(length: 6) { try await $0.write(Array("sized!".utf8)) })
    },
    Route(.get, "/fails-early", open) { _ in
      Response(.ok, body: .stream(length: nil) { _ in throw APIError(.storageElementUnavailable, "away") })
    },
    Route(.get, "/fails-late", open) { _ in
      Response(
        .ok,
        body: .stream(length: nil) { writer in
          try await writer.write(Array("part".utf8))
          try await writer.flush()
          throw APIError(.internalError, "broken")
        })
    },
    Route(.get, "/short", open) { _ in
      Response(.ok, body: .stream(length: 100) { try await $0.write([1, 2, 3]) })
    },
    Route(.get, "/injects", open) { _ in
      Response(.ok, headers: ["X-Name": "a\r\nX-Evil: 1", "Bad Name": "x", "Content-Length": "999"])
    },
  ]

  static func get(_ path: String, _ fields: String = "") -> String {
    "GET \(path) HTTP/1.1\r\nHost: x\r\n\(fields)\r\n"
  }

  /// Each byte has the place in its page of memory that it has in the body, wherever the packets end.
  @Test func aLongBodyComesInPagesWhereThatIsAskedFor() async throws {
    let body = (0..<3_000_123).map { UInt8(truncatingIfNeeded: $0 / 251 &+ $0) }
    let answer = try await RunningServer.with(Self.routes) { server in
      try await server.client { client in
        let head = "POST /aligned HTTP/1.1\r\nHost: x\r\nContent-Length: \(body.count)\r\n\r\n"
        try client.send(Array(head.utf8) + body[..<1001])
        try client.send(Array(body[1001...]))
        return try client.answer()
      }
    }
    #expect(answer.status == 200)
    #expect(answer.body == body)
  }

  @Test func answersOneAfterTheOtherOnOneConnection() async throws {
    try await RunningServer.with(Self.routes) { server in
      let answers = try await server.client { client in
        var answers: [RawClient.Answer] = []
        for path in ["/hello", "/empty", "/nothing", "/fails", "/hello"] {
          try client.send(Self.get(path))
          answers.append(try client.answer())
        }
        return answers
      }
      #expect(answers.map(\.status) == [200, 204, 404, 409, 200])
      #expect(answers[0].text == "hello")
      #expect(answers[0].field("Connection") == nil)
      #expect(answers[0].field("Date")?.hasSuffix("GMT") == true)
      #expect(answers[1].field("Content-Length") == nil)
      #expect(answers[3].text.contains("CONFLICT"))
      #expect(answers[3].text.contains(try #require(answers[3].field("X-Request-Id"))))
    }
  }

  @Test func answersPipelinedRequestsInOrder() async throws {
    try await RunningServer.with(Self.routes) { server in
      let answers = try await server.client { client in
        try client.send(
          Self.get("/hello") + "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc" + Self.get("/stream"))
        return try (0..<3).map { _ in try client.answer() }
      }
      #expect(answers[0].text == "hello")
      #expect(answers[1].text == "abc")
      #expect(answers[2].body.count == (0..<1000).map { "line \($0)\n".utf8.count }.reduce(0, +))
    }
  }

  @Test func answersAHeadSplitAtEveryByte() async throws {
    try await RunningServer.with(Self.routes) { server in
      let request = Array(Self.get("/hello", "User-Agent: t\r\n").utf8)
      let statuses = try await server.client { client in
        try (1..<request.count).map { split in
          try client.send(Array(request[..<split]))
          usleep(500)
          try client.send(Array(request[split...]))
          return try client.answer().status
        }
      }
      #expect(statuses.allSatisfy { $0 == 200 })
    }
  }

  @Test func headHasTheLengthAndNoBody() async throws {
    try await RunningServer.with(Self.routes) { server in
      let (head, next) = try await server.client { client in
        try client.send("HEAD /hello HTTP/1.1\r\nHost: x\r\n\r\n" + Self.get("/hello"))
        return (try client.answer(isHead: true), try client.answer())
      }
      #expect(head.field("Content-Length") == "5")
      #expect(next.text == "hello")
    }
  }

  @Test func oldClientsGetTheEndOfTheConnection() async throws {
    try await RunningServer.with(Self.routes) { server in
      let whole = try await server.client { client in
        try client.send("GET /stream HTTP/1.0\r\n\r\n")
        return String(decoding: try client.rest(), as: UTF8.self)
      }
      #expect(whole.contains("Connection: close"))
      #expect(!whole.contains("chunked"))
      #expect(whole.hasSuffix("line 999\n"))
    }
  }

  @Test func oldClientsMayKeepTheConnection() async throws {
    try await RunningServer.with(Self.routes) { server in
      let answers = try await server.client { client in
        try (0..<2).map { _ in
          try client.send("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
          return try client.answer()
        }
      }
      #expect(answers.map(\.text) == ["hello", "hello"])
      #expect(answers[0].field("Connection") == "keep-alive")
    }
  }

  @Test func twoServersDoNotShareAPort() throws {
    let first = try ListeningSocket(.loopback(port: 0), isShared: true)
    defer { first.close() }
    let loops = try EventLoopGroup(loops: 1)
    let second = HTTPServer(
      HTTPServerConfiguration(name: "second", address: first.address, tls: nil),
      router: Router([], authorizer: RunningServer.Everyone()), loops: loops, logger: .silent,
      metrics: HTTPServerMetrics(MetricsRegistry(), prefix: "t_"))
    #expect(throws: ReactorError.self) { try second.bind() }
    loops.shutdown()
  }

  @Test func takesBodiesOfEveryKind() async throws {
    let body = [UInt8]((0..<700_000).map { UInt8(truncatingIfNeeded: $0 &* 31) })
    try await RunningServer.with(Self.routes) { server in
      let (fixed, chunked) = try await server.client { client in
        try client.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: \(body.count)\r\n\r\n")
        try client.send(Array(body[..<1000]))
        usleep(2000)
        try client.send(Array(body[1000...]))
        let fixed = try client.answer()
        try client.send("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        for start in stride(from: 0, to: body.count, by: 70_001) {
          let piece = body[start..<min(start + 70_001, body.count)]
          try client.send("\(String(piece.count, radix: 16));ext=1\r\n")
          try client.send(Array(piece))
          try client.send("\r\n")
        }
        try client.send("0\r\nTrailer: x\r\n\r\n")
        return (fixed, try client.answer())
      }
      #expect(fixed.body == body)
      #expect(chunked.body == body)
    }
  }

  @Test func asksForTheBodyOnlyWhenItIsWanted() async throws {
    try await RunningServer.with(Self.routes) { server in
      let (interim, final, refused, rest) = try await server.client { client in
        try client.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        let interim = try client.answer()
        try client.send("ok")
        let final = try client.answer()
        try client.send("POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n")
        return (interim, final, try client.answer(), try client.rest())
      }
      #expect(interim.status == 100)
      #expect(final.text == "ok")
      #expect(refused.status == 413)
      #expect(refused.field("Connection") == "close")
      #expect(rest.isEmpty)
    }
  }

  @Test func boundsBodiesByTheRoutesLimit() async throws {
    try await RunningServer.with(Self.routes) { server in
      let declared = try await server.get("POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n01234567890")
      #expect(declared.status == 413)
      let chunked = try await server.get(
        "POST /small HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n01234567890\r\n0\r\n\r\n")
      #expect(chunked.status == 413)
      let fits = try await server.get("POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n0123456789")
      #expect(fits.text == "10")
    }
  }

  @Test func readsAwayWhatTheHandlerLeft() async throws {
    try await RunningServer.with(Self.routes) { server in
      let (small, next) = try await server.client { client in
        try client.send("POST /ignore HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello" + Self.get("/hello"))
        return (try client.answer(), try client.answer())
      }
      #expect(small.text == "ignored" && small.field("Connection") == nil)
      #expect(next.text == "hello")
      let big = try await server.client { client in
        try client.send("POST /ignore HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n")
        try client.send([UInt8](repeating: 7, count: 900_000))
        return try client.answer()
      }
      #expect(big.text == "ignored" && big.field("Connection") == "close")
    }
  }

  @Test func streamsFailVisibly() async throws {
    try await RunningServer.with(Self.routes) { server in
      #expect(try await server.get(Self.get("/sized")).text == "sized!")
      let early = try await server.get(Self.get("/fails-early"))
      #expect(early.status == 502 && early.text.contains("SE_UNAVAILABLE"))
      for path in ["/fails-late", "/short"] {
        await #expect(throws: (any Error).self) { _ = try await server.get(Self.get(path)) }
      }
      let broken = try await server.get(Self.get("/breaks"))
      #expect(broken.status == 500 && !broken.text.contains("inside"))
    }
  }

  @Test func handlersCannotInjectFields() async throws {
    try await RunningServer.with(Self.routes) { server in
      let answer = try await server.get(Self.get("/injects"))
      #expect(answer.field("X-Evil") == nil)
      #expect(answer.field("X-Name") == "a  X-Evil: 1")
      #expect(answer.field("Content-Length") == "0")
      #expect(!answer.head.contains("Bad Name"))
    }
  }

  @Test(arguments: [
    ("GET /hello HTTP/1.1\r\n\r\n", 400), ("GET /hello HTTP/2.0\r\nHost: x\r\n\r\n", 505),
    ("GET /../x HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    ("GET /hello HTTP/1.1\r\nHost: x\r\nX: <20000>\r\n\r\n", 431), ("GET /<9000> HTTP/1.1\r\nHost: x\r\n\r\n", 414),
  ])
  func refusesAndClosesOnBrokenRequests(_ request: String, _ status: Int) async throws {
    try await RunningServer.with(Self.routes) { server in
      let (answer, rest) = try await server.client { client in
        // Written short in the table, because the test's name shows it.
        let bytes = request.replacing("<20000>", with: String(repeating: "y", count: 20_000))
          .replacing("<9000>", with: String(repeating: "y", count: 9000))
        try client.send(bytes)
        return (try client.answer(), try client.rest())
      }
      #expect(answer.status == status)
      #expect(answer.field("Connection") == "close")
      #expect(rest.isEmpty)
    }
  }
}
