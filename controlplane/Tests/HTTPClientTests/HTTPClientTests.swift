import Core
import Crypto
import HTTP
import HTTPServer
import Reactor
import Synchronization
import TLS
import TestKit
import Testing

@testable import HTTPClient

@Suite(.serialized) struct HTTPClientTests {
  static let open = Access.open(reason: "test")

  static let echo = Route(.post, "/echo", open, bodyLimit: .max) { request in
    var digest = SHA256()
    var count = 0
    while let chunk = try await request.body.next() {
      digest.update(chunk)
      count += chunk.count
    }
    let (sum, total) = (digest.finish(), count)
    return .json { json in
      json.member("sha256", sum.description)
      json.member("count", total)
    }
  }

  /// 8 MiB in chunks.
  static let big = Route(.get, "/big", open) { _ in
    Response(
      .ok,
      body: .stream(length: nil) { writer in
        for index in 0..<128 { try await writer.write([UInt8](repeating: UInt8(index), count: 65_536)) }
      })
  }

  static let refuse = Route(.put, "/refuse", open, bodyLimit: .max) { _ in
    throw APIError(.modeNotAllowed, "not here")
  }

  private let client = HTTPClient(time: SystemTime())

  @Test func smallExchangesReuseOneConnection() async throws {
    try await LocalServer.with([Self.echo]) { [client] server in
      for text in ["", "hello", "ё"] {
        let request = ClientRequest(.post, server.url + "/echo", body: .bytes(Array(text.utf8)))
        let response = try await client.send(request)
        #expect(response.status == .ok)
        #expect(response.headers["content-type"] == "application/json")
        let body = String(decoding: try await response.body.collect(limit: 1000), as: UTF8.self)
        #expect(body.contains(SHA256.digest(Array(text.utf8)).description))
      }
      #expect(client.idleCount == 1)
    }
  }

  /// A kept connection that the server closes while a request is on its way: what may be repeated is, on a new one.
  @Test(arguments: [HTTPMethod.put, .post])
  func aStaleConnectionIsReplaced(method: HTTPMethod) async throws {
    let listener = try FickleServer()
    let pool = BlockingPool(name: "fickle", threads: 1, queueLimit: 1)
    defer { pool.shutdown() }
    async let served = pool.run { try listener.serve(isRepeated: method == .put) }
    let request = ClientRequest(method, listener.url, body: .bytes(Array("hello".utf8)))
    let first = try await client.send(request)
    #expect(first.status == .ok)
    _ = try await first.body.collect(limit: 100)
    if method == .put {
      #expect(try await client.send(request).status == .ok)
      #expect(try await served == "hello")
    } else {
      await #expect(throws: HTTPClientError.self) { try await client.send(request) }
      _ = try await served
    }
  }

  /// After its end the connection may carry another's answer: none of that may reach who asks once more.
  @Test func askingBeyondTheEndTakesNothingFromAnother() async throws {
    try await LocalServer.with([Self.echo, Self.big]) { [client] server in
      let first = try await client.send(ClientRequest(.post, server.url + "/echo", body: .bytes([1])))
      _ = try await first.body.collect(limit: 1000)
      let second = try await client.send(ClientRequest(.get, server.url + "/big"))
      #expect(client.idleCount == 0, "it has the first one's connection")
      #expect(try await first.body.next() == nil)
      #expect(try await first.body.next() == nil)
      #expect(try await second.body.collect(limit: 16 << 20).count == 8 << 20)
      #expect(client.idleCount == 1)
      #expect(try await second.body.next() == nil)
      #expect(client.idleCount == 1)
    }
  }

  @Test func bodiesStreamBothWays() async throws {
    try await LocalServer.with([Self.echo, Self.big]) { [client] server in
      for length in [nil, 100 * 50_000] as [Int?] {
        let left = Mutex(100)
        let body = ClientBody.stream(length: length) {
          let index = left.withLock { left in
            left -= 1
            return left
          }
          return index >= 0 ? [UInt8](repeating: UInt8(index), count: 50_000) : nil
        }
        let response = try await client.send(ClientRequest(.post, server.url + "/echo", body: body))
        let text = String(decoding: try await response.body.collect(limit: 1000), as: UTF8.self)
        var digest = SHA256()
        for index in (0..<100).reversed() { digest.update([UInt8](repeating: UInt8(index), count: 50_000)) }
        let sum = digest.finish()
        #expect(text.contains("\"count\":5000000"))
        #expect(text.contains(sum.description))
      }
      let response = try await client.send(ClientRequest(.get, server.url + "/big"))
      var count = 0
      var isRight = true
      while let chunk = try await response.body.next() {
        #expect(chunk.count <= 2 * CurlTransfer.receiveMax, "backpressure bounds what is held")
        for byte in chunk {
          isRight = isRight && byte == UInt8(count / 65_536)
          count += 1
        }
      }
      #expect(count == 128 * 65_536)
      #expect(isRight)
    }
  }

  @Test func aRefusalComesBeforeTheBodyIsPulled() async throws {
    try await LocalServer.with([Self.refuse]) { [client] server in
      let pulls = Atomic<Int>(0)
      let body = ClientBody.stream(length: nil) {
        pulls.add(1, ordering: .relaxed)
        return [UInt8](repeating: 1, count: 1000)
      }
      let request = ClientRequest(.put, server.url + "/refuse", body: body, expectsContinue: true)
      let response = try await client.send(request)
      #expect(response.status == .conflict)
      #expect(
        String(decoding: try await response.body.collect(limit: 1000), as: UTF8.self).contains("MODE_NOT_ALLOWED"))
      #expect(pulls.load(ordering: .relaxed) == 0)
    }
  }

  @Test func aFailingBodyEndsTheRequest() async throws {
    struct Broken: Error {}
    try await LocalServer.with([Self.echo]) { [client] server in
      let body = ClientBody.stream(length: nil) { throw Broken() }
      let error = await #expect(throws: HTTPClientError.self) {
        _ = try await client.send(ClientRequest(.post, server.url + "/echo", body: body))
      }
      #expect(error?.kind == .bodyFailed)
    }
  }

  @Test func nobodyThereIsUnreachableAndNonsenseIsRefused() async throws {
    let error = await #expect(throws: HTTPClientError.self) {
      _ = try await client.send(ClientRequest(.get, "http://127.0.0.1:1/"))
    }
    #expect(error?.kind == .unreachable)
    #expect(error?.mayHaveBeenSent == false)
    for url in ["file:///etc/passwd", "ftp://127.0.0.1/", "no url", "http://user@127.0.0.1/", ""] {
      let refused = await #expect(throws: HTTPClientError.self) { _ = try await client.send(ClientRequest(.get, url)) }
      #expect(refused?.kind == .badRequest, "\(url)")
    }
    let injected = await #expect(throws: HTTPClientError.self) {
      _ = try await client.send(ClientRequest(.get, "http://127.0.0.1:1/", headers: ["X": "a\r\nHost: evil"]))
    }
    #expect(injected?.kind == .badRequest)
  }

  @Test func aSlowAnswerTimesOut() async throws {
    let slow = Route(.get, "/slow", Self.open) { _ in
      try await IO.sleep(.seconds(30))
      return .empty(.ok)
    }
    try await LocalServer.with([slow]) { [client] server in
      let error = await #expect(throws: HTTPClientError.self) {
        _ = try await client.send(
          ClientRequest(.get, server.url + "/slow", timeouts: ClientTimeouts(total: .milliseconds(200))))
      }
      #expect(error?.kind == .timedOut)
    }
  }

  @Test func redirectsAreNotFollowed() async throws {
    let away = Route(.get, "/away", Self.open) { _ in
      Response(.seeOther, headers: ["Location": "/elsewhere"])
    }
    try await LocalServer.with([away]) { [client] server in
      let response = try await client.send(ClientRequest(.get, server.url + "/away"))
      #expect(response.status == .seeOther)
    }
  }

  @Test func manyAtOnce() async throws {
    try await LocalServer.with([Self.echo]) { [client] server in
      try await withThrowingTaskGroup(of: Void.self) { group in
        for index in 0..<50 {
          group.addTask {
            let bytes = Array("body \(index)".utf8)
            let response = try await client.send(ClientRequest(.post, server.url + "/echo", body: .bytes(bytes)))
            let text = String(decoding: try await response.body.collect(limit: 1000), as: UTF8.self)
            #expect(text.contains(SHA256.digest(bytes).description))
          }
        }
        try await group.waitForAll()
      }
    }
  }
}
