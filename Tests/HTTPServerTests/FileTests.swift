import Core
import Crypto
import Glibc
import HTTP
import HTTPServer
import JWT
import Reactor
import TLS
import TestKit
import Testing

@Suite(.timeLimit(.minutes(2)))
struct FileTests {
  static let content = [UInt8]((0..<3_000_000).map { UInt8(truncatingIfNeeded: ($0 &* 2_654_435_761) >> 13) })

  /// A directory with one document, and the routes that serve it.
  static func documents() throws -> (TemporaryDirectory, [Route]) {
    let directory = try TemporaryDirectory("http-files")
    let path = directory.file("document")
    let descriptor = Glibc.open(path, O_CREAT | O_WRONLY, 0o600)
    var offset = 0
    while offset < content.count {
      offset += content.withUnsafeBytes { write(descriptor, $0.baseAddress! + offset, $0.count - offset) }
    }
    close(descriptor)
    @Sendable func slice(_ offset: Int, _ count: Int) -> FileSlice {
      FileSlice(file: OpenFile(descriptor: Glibc.open(path, O_RDONLY)), offset: offset, count: count)
    }
    return (
      directory,
      [
        Route(.get, "/whole", RunningServer.open) { _ in Response(.ok, body: .file(slice(0, content.count))) },
        Route(.get, "/part/{from}/{count}", RunningServer.open) { request in
          let from = Int(request.parameter("from")) ?? 0
          return Response(.partialContent, body: .file(slice(from, Int(request.parameter("count")) ?? 0)))
        },
        Route(.get, "/parts", RunningServer.open) { _ in
          Response(
            .ok,
            body: .stream(length: nil) { writer in
              for part in 0..<3 {
                try await writer.write(Array("<\(part)>".utf8))
                try await writer.write(slice(part * 1_000_000, 1_000_000))
              }
            })
        },
        Route(.get, "/longer", RunningServer.open) { _ in
          Response(.ok, body: .file(slice(0, content.count + 1)))
        },
        Route(.get, "/cold", RunningServer.open) { _ in
          let slice = slice(0, content.count)
          fdatasync(slice.file.descriptor)
          posix_fadvise(slice.file.descriptor, 0, 0, CInt(POSIX_FADV_DONTNEED))
          return Response(.ok, body: .file(slice))
        },
        Route(.get, "/who", .scope(.filesRead)) { request in
          .text(.ok, "\(request.principal.subject) \(request.peer?.uri ?? "-")")
        },
      ]
    )
  }

  @Test func filesArriveWhole() async throws {
    let (directory, routes) = try Self.documents()
    try await RunningServer.with(routes) { server in
      for path in ["/whole", "/cold"] {
        #expect(try await server.get("GET \(path) HTTP/1.1\r\nHost: x\r\n\r\n").body == Self.content)
      }
      for (from, count) in [(0, 0), (0, 1), (262_143, 2), (1, 262_144), (2_999_999, 1), (5, 2_000_000)] {
        let answer = try await server.get("GET /part/\(from)/\(count) HTTP/1.1\r\nHost: x\r\n\r\n")
        #expect(answer.status == 206 && answer.body == Array(Self.content[from..<(from + count)]))
      }
      let parts = try await server.get("GET /parts HTTP/1.1\r\nHost: x\r\n\r\n").body
      #expect(Array(parts[..<1_000_003]) == Array("<0>".utf8) + Self.content[..<1_000_000])
      #expect(parts.count == 3_000_009)
      await #expect(throws: (any Error).self) { try await server.get("GET /longer HTTP/1.1\r\nHost: x\r\n\r\n") }
    }
    _ = directory
  }

  @Test func aSlowReaderGetsEveryByte() async throws {
    let (directory, routes) = try Self.documents()
    try await RunningServer.with(routes) { server in
      let bodies = try await server.client { client in
        try client.send("GET /whole HTTP/1.1\r\nHost: x\r\n\r\nGET /part/7/9 HTTP/1.1\r\nHost: x\r\n\r\n")
        usleep(100_000)
        return (try client.answer().body, try client.answer().body)
      }
      #expect(bodies.0 == Self.content)
      #expect(bodies.1 == Array(Self.content[7..<16]))
    }
    _ = directory
  }

  /// The whole way with a client nobody here wrote: mutual TLS, a token, a file, a range's bytes, an upload.
  @Test func curlOverMutualTLS() async throws {
    let fleet = try TestFleet()
    let tokens = try TestTokens()
    let credential = try fleet.client(.query, name: "q")
    let stranger = try fleet.client(.client, name: "c")
    let identity = try fleet.server(.appliance)
    let tls = try TLSServerContext(
      TLSServerConfiguration(
        certificateChain: identity.certificate.pem, privateKey: identity.keyPEM,
        clientAuthorities: fleet.authorityPEM, clientCertificate: .required))
    let (directory, routes) = try Self.documents()
    let echo = Route(.put, "/echo", .anyToken, bodyLimit: .max) { request in
      Response(
        .ok,
        body: .stream(length: request.body.declaredLength) { writer in
          while let piece = try await request.body.next() { try await writer.write(piece) }
        })
    }
    for (name, text) in [
      ("ca", fleet.authorityPEM), ("q.crt", credential.certificate.pem), ("q.key", credential.keyPEM),
      ("c.crt", stranger.certificate.pem), ("c.key", stranger.keyPEM),
    ] { try directory.write(text, to: name) }
    let authorizer = BearerAuthorizer(verifier: tokens.verifier(), requiredPeerRoles: [.query])
    let token = try tokens.mint(subject: "somebody", scopes: [.filesRead])
    try await RunningServer.with(routes + [echo], tls: tls, loops: 2, authorizer: authorizer) { server in
      func curl(_ path: String, as client: String = "q", token: String? = token, _ more: [String] = []) async throws
        -> (status: CInt, output: [UInt8])
      {
        var arguments = [
          "-sS", "--cacert", directory.file("ca"), "--cert", directory.file("\(client).crt"), "--key",
          directory.file("\(client).key"), "-o", directory.file("out"), "-w", "%{http_code}",
          "https://127.0.0.1:\(server.address.port)\(path)",
        ]
        if let token { arguments += ["-H", "Authorization: Bearer \(token)"] }
        let all = arguments + more
        let status = try await server.pool.run { run("/usr/bin/curl", all, output: directory.file("status")) }
        guard status == 0 else { return (status, []) }
        return (CInt(String(decoding: try directory.read("status"), as: UTF8.self)) ?? -1, try directory.read("out"))
      }
      let whole = try await curl("/whole")
      #expect(whole.status == 200 && whole.output == Self.content)
      let who = try await curl("/who")
      #expect(String(decoding: who.output, as: UTF8.self) == "somebody artstore://query/q")
      #expect(try await curl("/who", token: nil).status == 401)
      #expect(try await curl("/who", token: token.dropLast() + "x").status == 401)
      #expect(try await curl("/who", as: "c").status == 403)
      for more in [[], ["-H", "Transfer-Encoding: chunked"]] {
        let echoed = try await curl("/echo", ["-T", directory.file("document")] + more)
        #expect(echoed.status == 200 && echoed.output == Self.content)
      }
    }
  }
}

/// Runs a program to its end and returns its exit status.
private func run(_ path: String, _ arguments: [String], output: String) -> CInt {
  var actions = posix_spawn_file_actions_t()
  posix_spawn_file_actions_init(&actions)
  posix_spawn_file_actions_addopen(&actions, 1, output, O_CREAT | O_WRONLY | O_TRUNC, 0o600)
  defer { posix_spawn_file_actions_destroy(&actions) }
  var words: [UnsafeMutablePointer<CChar>?] = ([path] + arguments).map { strdup($0) } + [nil]
  defer { for word in words { free(word) } }
  var child = pid_t()
  guard posix_spawn(&child, path, &actions, nil, &words, environ) == 0 else { return -1 }
  var status: CInt = 0
  while waitpid(child, &status, 0) < 0 {}
  return (status >> 8) & 0xFF
}
