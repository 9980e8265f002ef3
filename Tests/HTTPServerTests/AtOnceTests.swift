import Core
import Glibc
import HTTP
import Reactor
import Service
import Synchronization
import Telemetry
import TestKit
import Testing

@testable import HTTPServer

/// Answers that go out while the connection's task sleeps: nobody may see a difference.
@Suite(.timeLimit(.minutes(1)))
struct AtOnceTests {
  struct Everyone: Authorizer {
    func authorize(_ request: Request, for access: Access) async throws(APIError) -> Principal {
      try authorizeAtOnce(request, for: access) ?? .nobody
    }

    func authorizeAtOnce(_ request: Request, for access: Access) throws(APIError) -> Principal? {
      if access == .anyToken { throw .unauthorized("no token") }
      return Principal(subject: "someone")
    }
  }

  static let open = RunningServer.open
  static let content: [UInt8] = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 8) }

  /// How long a connection keeps its task between two requests: never longer than it works, or as ever.
  static let stills = [Duration.zero, HTTPLimits().stillTimeout]

  private static func limits(_ still: Duration) -> HTTPLimits {
    var limits = HTTPLimits()
    limits.stillTimeout = still
    return limits
  }

  private static func routes() throws -> (TemporaryDirectory, [Route]) {
    let directory = try TemporaryDirectory("at-once")
    let descriptor = Glibc.open(directory.file("document"), O_CREAT | O_RDWR, 0o600)
    let written = content.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
    precondition(written == content.count)
    let file = OpenFile(descriptor: descriptor)
    return (
      directory,
      [
        .atOnce(.get, "/hello/{name}", open) { .text(.ok, "hello \($0.parameter("name"))") },
        Route(.get, "/file/{count}", open) { slice(file, $0) },
        .atOnce(.get, "/at-once/{count}", open) { slice(file, $0) },
        .atOnce(.get, "/fails", open) { _ in throw APIError(.conflict, "taken") },
        .atOnce(.get, "/secret", .anyToken) { _ in .text(.ok, "secret") },
        .atOnce(.get, "/empty", open) { _ in .empty(.noContent) },
        .atOnce(.get, "/stream", open) { _ in Response(.ok, body: .stream(length: nil) { try await $0.write([65]) }) },
        Route(.post, "/echo", open) { Response(.ok, body: .bytes(try await $0.body.collect(limit: 100))) },
      ]
    )
  }

  private static func slice(_ file: OpenFile, _ request: Request) -> Response {
    let count = Int(request.parameter("count")) ?? 0
    return Response(.ok, body: .file(FileSlice(file: file, offset: 0, count: count)))
  }

  private static func get(_ path: String, _ fields: String = "") -> String {
    "GET \(path) HTTP/1.1\r\nHost: x\r\n\(fields)\r\n"
  }

  @Test func onlyWhatCannotWaitIsAnsweredAtOnce() throws {
    let (directory, routes) = try Self.routes()
    defer { _ = directory }
    let router = Router(routes, authorizer: Everyone())
    func isAnswered(_ method: HTTPMethod, _ path: String, _ body: [UInt8] = []) throws -> Bool {
      router.handleAtOnce(try .make(method, path, body: body)) != nil
    }
    for path in ["/hello/x", "/at-once/10", "/stream"] { #expect(try isAnswered(.get, path), "\(path)") }
    for path in ["/fails", "/secret", "/nothing", "/file/10"] { #expect(try !isAnswered(.get, path), "\(path)") }
    #expect(try !isAnswered(.head, "/hello/x"))
    #expect(try !isAnswered(.post, "/echo", [1]))
    #expect(try !isAnswered(.get, "/hello/x", [1]))
    let asking = Router(routes, authorizer: RunningServer.Everyone())
    #expect(asking.handleAtOnce(try .make(.get, "/hello/x")) == nil)
  }

  @Test(arguments: stills) func everyKindOfRequestFollowsEveryOther(_ still: Duration) async throws {
    let (directory, routes) = try Self.routes()
    defer { _ = directory }
    let paths = [
      "/hello/a", "/at-once/1000", "/fails", "/hello/b", "/secret", "/at-once/100000", "/stream", "/nothing",
      "/at-once/300000", "/empty", "/hello/c", "/file/70000", "/at-once/0", "/hello/d",
    ]
    let statuses = [200, 200, 409, 200, 401, 200, 200, 404, 200, 204, 200, 200, 200, 200]
    try await RunningServer.with(routes, limits: Self.limits(still), authorizer: Everyone()) { server in
      let answers = try await server.client { client in
        try (paths + paths.reversed()).map { path in
          try client.send(Self.get(path))
          return try client.answer()
        }
      }
      #expect(answers.map(\.status) == statuses + statuses.reversed())
      #expect(answers[0].text == "hello a" && answers[13].text == "hello d" && answers[6].text == "A")
      for (index, count) in [(1, 1000), (5, 100_000), (8, 300_000), (11, 70_000), (12, 0)] {
        #expect(answers[index].body == Array(Self.content[..<count]), "\(paths[index])")
      }
      #expect(Set(answers.compactMap { $0.field("X-Request-Id") }).count == answers.count)
      // A request is counted when its answer is out, which the client may see first.
      let counted = #"t_http_requests_total{server="test",method="GET",route="/hello/{name}",status="200"} 8"#
      var metrics = ""
      for _ in 0..<1000 where !metrics.contains(counted) {
        metrics = String(decoding: server.registry.render(), as: UTF8.self)
        if !metrics.contains(counted) { usleep(5000) }
      }
      #expect(metrics.contains(counted))
      #expect(server.log.text.contains { $0.contains("/hello/c") })
    }
  }

  @Test(arguments: stills) func headsInPiecesAndSeveralAtOnce(_ still: Duration) async throws {
    let (directory, routes) = try Self.routes()
    defer { _ = directory }
    try await RunningServer.with(routes, limits: Self.limits(still), authorizer: Everyone()) { server in
      let texts = try await server.client { client in
        var texts: [String] = []
        for round in 0..<3 {
          try client.send(Self.get("/hello/first\(round)"))
          texts.append(try client.answer().text)
          // A head that comes in two, and what follows in one go: the rest of it, a body, and another head.
          let whole = Self.get("/hello/second") + "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
          try client.send(String(whole.prefix(20)))
          usleep(20_000)
          try client.send(String(whole.dropFirst(20)) + Self.get("/hello/third"))
          for _ in 0..<3 { texts.append(try client.answer().text) }
        }
        try client.send("NOT HTTP\r\n\r\n")
        texts.append("\(try client.answer().status)")
        return texts
      }
      let round = ["hello second", "abc", "hello third"]
      #expect(texts == ["hello first0"] + round + ["hello first1"] + round + ["hello first2"] + round + ["400"])
    }
  }

  /// The socket is full in the middle of an answer: the task is woken and sends the rest.
  @Test(arguments: stills) func aClientThatReadsLateGetsEveryByte(_ still: Duration) async throws {
    let (directory, routes) = try Self.routes()
    defer { _ = directory }
    try await RunningServer.with(routes, limits: Self.limits(still), authorizer: Everyone()) { server in
      let isWhole = try await server.client { client in
        try client.send(Self.get("/hello/x"))
        _ = try client.answer()
        for _ in 0..<150 {
          try client.send(Self.get("/at-once/100000"))
          usleep(1000)
        }
        let expected = Array(Self.content[..<100_000])
        return try (0..<150).allSatisfy { _ in try client.answer().body == expected }
      }
      #expect(isWhole)
    }
  }

  @Test(arguments: stills) func idleConnectionsStillEnd(_ still: Duration) async throws {
    let (directory, routes) = try Self.routes()
    defer { _ = directory }
    var limits = Self.limits(still)
    limits.idleTimeout = .milliseconds(300)
    try await RunningServer.with(routes, limits: limits, authorizer: Everyone()) { server in
      let isOver = try await server.client { client in
        // Longer together than the timeout, each shorter: answers put the end off.
        for _ in 0..<6 {
          try client.send(Self.get("/hello/x"))
          _ = try client.answer()
          usleep(100_000)
        }
        return try client.rest().isEmpty
      }
      #expect(isOver)
    }
  }

  /// Without a task a connection is evicted, and told to go when the server stops, like any other.
  @Test func connectionsWithoutTasksMakeRoomAndEndWithTheServer() async throws {
    let (directory, routes) = try Self.routes()
    defer { _ = directory }
    var limits = Self.limits(.zero)
    limits.connectionsMax = 2
    try await RunningServer.with(routes, limits: limits, authorizer: Everyone()) { server in
      let pool = server.pool
      let address = server.address
      let (evicted, isOver) = try await pool.run {
        let clients = try (0..<3).map { _ in
          let client = try RawClient(address)
          try client.send(Self.get("/hello/x"))
          _ = try client.answer()
          return client
        }
        // One of the first two had to go; the others still get answers.
        var evicted = 0
        for client in clients {
          do {
            try client.send(Self.get("/hello/x"))
            _ = try client.answer()
          } catch { evicted += 1 }
        }
        server.shutdown.raise()
        return (evicted, try clients[2].rest().isEmpty)
      }
      #expect(evicted == 1)
      #expect(isOver, "it ends with the server")
    }
  }

  /// Tasks that keep a loop busy, four hundred of them in line at any time.
  private final class Crowd: Sendable {
    let turns = Atomic(0)
    let isOver = Atomic(false)

    func run() async {
      await withDiscardingTaskGroup { group in
        for _ in 0..<400 {
          group.addTask {
            while !self.isOver.load(ordering: .relaxed) {
              usleep(5)
              self.turns.add(1, ordering: .relaxed)
              await Task.yield()
            }
          }
        }
      }
    }

    func wait(turns more: Int) {
      let end = turns.load(ordering: .relaxed) + more
      while turns.load(ordering: .relaxed) < end { usleep(1000) }
    }
  }

  @Test func aFirstRequestDoesNotWaitBehindOthersTasks() async throws {
    let crowd = Crowd()
    let routes: [Route] = [
      Route(.get, "/crowd", Self.open) { _ in
        await crowd.run()
        return .text(.ok, "over")
      },
      .atOnce(.get, "/turns", Self.open) { _ in .text(.ok, "\(crowd.turns.load(ordering: .relaxed))") },
    ]
    let waited = try await RunningServer.with(routes, authorizer: Everyone()) { server in
      try await server.pool.run {
        let busy = try RawClient(server.address)
        try busy.send(Self.get("/crowd"))
        defer { crowd.isOver.store(true, ordering: .relaxed) }
        // The smallest of some: the client itself may be kept waiting between looking and sending.
        let waits = try (0..<8).map { _ in
          let client = try RawClient(server.address)
          // Until its task has been let in and waits for a request.
          crowd.wait(turns: 4000)
          let before = crowd.turns.load(ordering: .relaxed)
          try client.send(Self.get("/turns"))
          return (Int(try client.answer().text) ?? .max) - before
        }
        return waits.min() ?? .max
      }
    }
    #expect(waited < 200, "turns of others' tasks before the answer")
  }
}
