import Core
import HTTP
import TestKit
import Testing

struct RequestHeadTests {
  static func parse(_ text: String) throws(HTTPParseError) -> (head: RequestHead, consumed: Int)? {
    try RequestHead.parse(Array(text.utf8).span)
  }

  @Test func readsAWholeHead() throws {
    let text =
      "PATCH /api/v1/files/a%20b?x=1&y=%D1%8F+z&flag HTTP/1.1\r\nHost: example.org:8010\r\nAccept: a\r\nX-Empty:\r\n"
      + "accept:  b \t\r\nContent-Length: 12\r\nConnection: x, Close\r\n\r\nbody"
    let (head, consumed) = try #require(try Self.parse(text))
    #expect(consumed == text.utf8.count - 4)
    #expect(head.method == .patch && head.minorVersion == 1)
    #expect(head.rawTarget == "/api/v1/files/a%20b?x=1&y=%D1%8F+z&flag")
    #expect(head.path == "/api/v1/files/a b")
    #expect(head.query["x"] == "1" && head.query["y"] == "я z" && head.query["flag"] == "" && head.query["q"] == nil)
    #expect(head.header("ACCEPT") == "a" && head.combined("accept") == "a, b")
    #expect(head.header("x-empty") == "" && head.header("missing") == nil)
    #expect(head.contentLength == 12 && !head.isChunked && !head.keepAlive && !head.expectsContinue)
    #expect(head.headers.fields.count == 6)
  }

  @Test func knowsItsAuthorizationAndWhetherThereAreConditions() throws {
    let text = "GET / HTTP/1.1\r\nHost: a\r\nAuthorization:  Bearer abcdefghi \r\nX: If-Match\r\n\r\n"
    let head = try #require(try Self.parse(text)).head
    #expect(head.authorization(is: Array("Bearer abcdefghi".utf8)) && !head.hasConditions)
    for other in ["Bearer abcdefghj", "Cearer abcdefghi", "Bearer abcdefgh", "Bearer abcdefghi ", ""] {
      #expect(!head.authorization(is: Array(other.utf8)), "\(other)")
    }
    let bare = try #require(try Self.parse("GET / HTTP/1.1\r\nHost: a\r\nIF-range: x\r\n\r\n")).head
    #expect(!bare.authorization(is: []) && bare.hasConditions)
  }

  @Test(arguments: ["/", "/a.b/c", "/a/.b", "/a..", "//", "/a//b", "/.../x", "/a/b.", "/~x/*"])
  func plainPathsStayAsTheyAre(path: String) throws {
    let head = try #require(try Self.parse("GET \(path) HTTP/1.1\r\nHost: a\r\n\r\n")).head
    #expect(head.path == path && head.query["x"] == nil)
  }

  @Test func isIncompleteAtEveryCut() throws {
    let text = "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nExpect: 100-Continue\r\n\r\n"
    for cut in 0..<text.utf8.count {
      #expect(try RequestHead.parse(Array(text.utf8.prefix(cut)).span) == nil, "cut at \(cut)")
    }
    let head = try #require(try Self.parse(text)).head
    #expect(head.isChunked && head.expectsContinue && head.keepAlive)
  }

  /// What two parsers may read differently is how requests are smuggled: each must be refused.
  @Test(arguments: [
    "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
    "Content-Length: 3\r\nContent-Length: 3\r\n", "Content-Length: 3, 3\r\n", "Content-Length: +3\r\n",
    "Content-Length: -1\r\n", "Content-Length: 0x3\r\n", "Content-Length:\r\n", "Content-Length: 3 4\r\n",
    "Content-Length: 99999999999999999999\r\n", "Content-Length : 3\r\n", "Content-Length\r\n",
    "Transfer-Encoding: chunked, chunked\r\n", "Transfer-Encoding: chunked, identity\r\n",
    "Transfer-Encoding: xchunked\r\n", "Transfer-Encoding: \"chunked\"\r\n",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding:\u{b}chunked\r\n",
    "X: a\r\n b\r\n", " X: a\r\n", "X: a\rb\r\n", "X: a\nY: b\r\n", "X: a\u{0}b\r\n", "X: a\u{7f}\r\n", "X@Y: a\r\n",
    ": a\r\n", "X\r\n", "Host: b\r\n", "Transfer\u{0}-Encoding: chunked\r\n",
    "X: a\r\n\tTransfer-Encoding: chunked\r\n", "Content-Length: 03\r\n", "Content-Length: 00\r\n",
    "Transfer-Encoding: , chunked\r\n", "Transfer-Encoding: chunked,\r\n", "Transfer-Encoding:\r\n",
    "Transfer-Encoding: chunked;q=1\r\n", "Transfer-Encoding: chunked gzip\r\n",
    "Content-Length: 3\r\nTransfer-Encoding: gzip\r\n", "Transfer-Encoding: gzip\r\nContent-Length: 3\r\n",
    "Content-Type: a/b\r\nContent-Type: a/b\r\n", "Authorization: a\r\nX: y\r\nauthorization: b\r\n",
  ])
  func refusesAmbiguousFields(_ fields: String) {
    #expect(throws: HTTPParseError.self) { try Self.parse("POST / HTTP/1.1\r\nHost: a\r\n\(fields)\r\n") }
  }

  @Test(arguments: [
    ("GET / HTTP/1.1\r\n\r\n", 400), ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400), ("GET / HTTP/1.1\r\nHost: u@b\r\n\r\n", 400),
    ("GET / HTTP/1.1\nHost: a\n\n", 400), ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400), ("GET / http/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505), ("GET / HTTP/1.x\r\nHost: a\r\n\r\n", 400),
    ("GET /\u{1} HTTP/1.1\r\nHost: a\r\n\r\n", 400), ("GET /é HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET x HTTP/1.1\r\nHost: a\r\n\r\n", 400), ("GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400), ("GET /%ff HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET /a%2fb HTTP/1.1\r\nHost: a\r\n\r\n", 400), ("GET /a%00 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET /../a HTTP/1.1\r\nHost: a\r\n\r\n", 400), ("GET /a/. HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET /%2e%2E/a HTTP/1.1\r\nHost: a\r\n\r\n", 400), ("GET /?a=%f HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
    ("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n", 501),
    ("GET / HTTP/01.1\r\nHost: a\r\n\r\n", 400), ("GET / HTTP/1.01\r\nHost: a\r\n\r\n", 400),
    ("GET / HTTP/1\r\nHost: a\r\n\r\n", 400), ("GET / HTTP/1.1\r\nHost:\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400), ("GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a:1:2\r\n\r\n", 400), ("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a%2\r\n\r\n", 400), ("GET / HTTP/1.1\r\nHost: :80\r\n\r\n", 400),
    ("GET /?a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400), ("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400), ("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\n\r\n", 417), ("\u{16}\u{3}\u{1}", 400), ("/ HTTP/1.1\r\n", 400),
  ])
  func refusesBrokenHeads(_ text: String, _ status: Int) {
    #expect { try Self.parse(text) } throws: { ($0 as? HTTPParseError)?.status.rawValue == status }
  }

  @Test func knowsTheFourFormsOfATarget() throws {
    let absolute = try #require(try Self.parse("GET HTTP://h:1/p?q=1 HTTP/1.1\r\nHost: H:1\r\n\r\n")).head
    #expect(absolute.path == "/p" && absolute.query["q"] == "1")
    let bare = try #require(try Self.parse("GET https://h?q=2 HTTP/1.0\r\n\r\n")).head
    #expect(bare.path == "/" && bare.query["q"] == "2")
    #expect(try #require(try Self.parse("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")).head.path == "*")
    #expect(try #require(try Self.parse("GET /a/..b/.c/... HTTP/1.1\r\nHost: a\r\n\r\n")).head.path == "/a/..b/.c/...")
    #expect(try #require(try Self.parse("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")).head.path == "/")
  }

  @Test(arguments: ["a", "a.b-c_d~e:8010", "A%41", "a:", "127.0.0.1:1", "[::1]:443", "[::ffff:1.2.3.4]"])
  func takesHosts(_ host: String) throws {
    #expect(try Self.parse("GET / HTTP/1.1\r\nHost: \(host)\r\n\r\n") != nil)
  }

  @Test(arguments: [
    ("TRACE", HTTPMethod.trace), ("CONNECT", .connect), ("QUERY", .query), ("get", .other), ("BREW", .other),
  ])
  func tellsMethodsApart(_ name: String, _ method: HTTPMethod) throws {
    #expect(try #require(try Self.parse("\(name) / HTTP/1.1\r\nHost: a\r\n\r\n")).head.method == method)
  }

  @Test func keepsAliveByVersionAndConnection() throws {
    func keeps(_ version: String, _ connection: String) throws -> Bool {
      try #require(try Self.parse("GET / HTTP/\(version)\r\nHost: a\r\n\(connection)\r\n")).head.keepAlive
    }
    #expect(try keeps("1.1", "") && !keeps("1.0", "") && keeps("1.0", "Connection: Keep-Alive\r\n"))
    #expect(try !keeps("1.1", "Connection: close\r\n") && !keeps("1.0", "Connection: keep-alive, close\r\n"))
  }

  @Test func boundsWhatItTakes() throws {
    var limits = HeadLimits()
    limits.bytesMax = 200
    limits.fieldsMax = 3
    limits.targetBytesMax = 50
    func status(_ text: String) -> Int? {
      do {
        _ = try RequestHead.parse(Array(text.utf8).span, limits: limits)
        return nil
      } catch {
        return error.status.rawValue
      }
    }
    let long = String(repeating: "x", count: 51)
    #expect(status("GET /\(long) HTTP/1.1\r\n") == 414)
    #expect(status("GET /\(long)") == 414)
    #expect(status("GET / HTTP/1.1\r\nHost: a\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n") == 431)
    #expect(status("GET / HTTP/1.1\r\nHost: a\r\nA: \(String(repeating: "y", count: 300))") == 431)
    #expect(status("GET / HTTP/1.1\r\nHost: a\r\nA: 1\r\nB: 2\r\n\r\n") == nil)
  }

  /// Random damage never traps, and whatever is accepted was consumed within the input.
  @Test func survivesRandomDamage() {
    let seed = TestSeed()
    let text =
      "POST /api/v1/files?limit=5 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n"
      + "Cookie: a=b\r\n\r\n"
    let whole = Array(text.utf8)
    for _ in 0..<20_000 {
      var bytes = whole
      for _ in 0...seed.below(4) { bytes[seed.below(bytes.count)] = UInt8(seed.below(256)) }
      if seed.oneIn(3) { bytes.removeLast(seed.below(bytes.count)) }
      let found = try? RequestHead.parse(bytes.span)
      #expect(found == nil || found!.consumed <= bytes.count, "\(seed)")
    }
  }

  @Test func readsCookies() throws {
    let head = try RequestHead(.get, "/", headers: ["Cookie": "a=1; session=x=y; b=", "cookie": "c=3"])
    #expect(head.cookie("a") == "1" && head.cookie("session") == "x=y" && head.cookie("b") == "")
    #expect(head.cookie("c") == "3" && head.cookie("d") == nil)
  }
}
