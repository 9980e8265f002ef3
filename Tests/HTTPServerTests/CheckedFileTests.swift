import Core
import Glibc
import HTTP
import HTTPServer
import Reactor
import Synchronization
import TestKit
import Testing

/// Files whose bytes are compared before they are sent.
@Suite(.timeLimit(.minutes(2)))
struct CheckedFileTests {
  /// Knows the right bytes themselves, in blocks of a size that nothing is a multiple of.
  final class Check: FileCheck {
    struct Damaged: Error {}

    let right: [UInt8]
    let descriptor: CInt
    let blockBytes = 10_007
    let asked = Atomic(0)
    let wrong = Atomic(-1)
    let ready = Atomic(false)
    /// Mends the file when the cache is dropped, as if only what was cached had been wrong.
    let mends: Bool

    init(_ right: [UInt8], _ descriptor: CInt, mends: Bool = false) {
      (self.right, self.descriptor, self.mends) = (right, descriptor, mends)
    }

    var size: Int { right.count }
    var isPrepared: Bool { ready.load(ordering: .relaxed) }

    func prepare() throws { ready.store(true, ordering: .relaxed) }

    func isSound(_ blocks: UnsafeRawBufferPointer, at offset: Int) -> Bool {
      let isWhole = blocks.count % blockBytes == 0 || offset + blocks.count == size
      guard offset % blockBytes == 0, isWhole else { return false }
      asked.add(1, ordering: .relaxed)
      return right[offset..<(offset + blocks.count)].elementsEqual(blocks)
    }

    func foundWrong(at offset: Int) -> any Error {
      wrong.store(offset, ordering: .relaxed)
      return Damaged()
    }

    func dropCache() {
      guard mends else { return }
      right.withUnsafeBytes { _ = pwrite(descriptor, $0.baseAddress, $0.count, 0) }
    }
  }

  private static let right = FileTests.content.prefix(1_000_000).map { $0 }

  /// A file with these bytes wrong, and a route for any part of it.
  private static func served(
    wrongAt places: [Int], mends: Bool = false
  ) throws -> (TemporaryDirectory, Check, [Route]) {
    let directory = try TemporaryDirectory("http-checked")
    var content = right
    for place in places { content[place] ^= 1 }
    let path = directory.file("document")
    let descriptor = Glibc.open(path, O_CREAT | O_RDWR, 0o600)
    let written = content.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
    #expect(written == content.count)
    let file = OpenFile(descriptor: descriptor)
    let check = Check(right, descriptor, mends: mends)
    let routes = [
      Route(.get, "/part/{from}/{count}", RunningServer.open) { request in
        let (from, count) = (Int(request.parameter("from")) ?? 0, Int(request.parameter("count")) ?? 0)
        return Response(.ok, body: .file(FileSlice(file: file, offset: from, count: count, check: check)))
      },
      .atOnce(.get, "/soon/{from}/{count}", RunningServer.open) { request in
        let (from, count) = (Int(request.parameter("from")) ?? 0, Int(request.parameter("count")) ?? 0)
        return Response(.ok, body: .file(FileSlice(file: file, offset: from, count: count, check: check)))
      },
    ]
    return (directory, check, routes)
  }

  private static func request(_ way: String, _ from: Int, _ count: Int) -> String {
    "GET /\(way)/\(from)/\(count) HTTP/1.1\r\nHost: x\r\n\r\n"
  }

  @Test(arguments: ["part", "soon"]) func anyPartArrives(_ way: String) async throws {
    let (directory, check, routes) = try Self.served(wrongAt: [])
    try await RunningServer.with(routes) { server in
      let parts = [
        (0, 1_000_000), (0, 1), (999_999, 1), (10_006, 2), (10_007, 10_007), (1, 999_998), (500_000, 64_000), (0, 0),
      ]
      for (from, count) in parts {
        let answer = try await server.get(Self.request(way, from, count))
        #expect(answer.status == 200 && answer.body == Array(Self.right[from..<(from + count)]), "\(from), \(count)")
      }
    }
    #expect(check.asked.load(ordering: .relaxed) > 8)
    _ = directory
  }

  @Test(arguments: ["part", "soon"]) func nothingWrongIsSent(_ way: String) async throws {
    let (directory, check, routes) = try Self.served(wrongAt: [600_000])
    try await RunningServer.with(routes) { server in
      let bytes = try await server.client { client in
        try client.send(Self.request(way, 0, 1_000_000))
        return try client.rest()
      }
      let head = try #require(bytes.firstRange(of: Array("\r\n\r\n".utf8)))
      let body = bytes[head.upperBound...]
      #expect(body.count < 600_000 && Self.right.starts(with: body), "\(body.count) bytes, none of them wrong")
      #expect(check.wrong.load(ordering: .relaxed) >= 0)
      for (from, count) in [(600_000, 1), (595_000, 5_000), (599_000, 64_000)] {
        let bytes = try await server.client { client in
          try client.send(Self.request(way, from, count))
          return try client.rest()
        }
        let head = bytes.firstRange(of: Array("\r\n\r\n".utf8))?.upperBound ?? bytes.endIndex
        #expect(Self.right[from...].starts(with: bytes[head...]) && bytes.endIndex - head < count)
      }
      let far = try await server.get(Self.request(way, 700_000, 70_000))
      #expect(far.body == Array(Self.right[700_000..<770_000]), "other blocks are what they were")
    }
    _ = directory
  }

  /// Only what was cached was wrong: it is read again, and nobody is told.
  @Test(arguments: ["part", "soon"]) func whatWasReadWrongIsReadAgain(_ way: String) async throws {
    let (directory, check, routes) = try Self.served(wrongAt: [0, 600_000, 999_999], mends: true)
    try await RunningServer.with(routes) { server in
      let answer = try await server.get(Self.request(way, 0, 1_000_000))
      #expect(answer.body == Self.right)
    }
    #expect(check.wrong.load(ordering: .relaxed) == -1)
    _ = directory
  }
}
