import ApplianceServer
import Core
import Crypto
import HTTP
import HTTPServer
import JWT
import StorageAPI
import Store
import TestKit
import Testing

/// `Idempotency-Key`: one document for one key, however often it is sent.
@Suite struct OnceTests {
  static let path = "/api/v1/files/upload"

  private func send(
    _ target: TestAppliance, _ key: String, _ bytes: [UInt8] = Array("content".utf8), name: String = "a.txt",
    fields: [(String, String)] = [("description", "d")], subject: String = "ivanov"
  ) async throws -> Answer {
    let form = Form(fields: fields, file: (name, bytes))
    var headers = form.headers
    headers["Idempotency-Key"] = key
    let token = try target.token(Set(Scope.allCases), actsFor: subject)
    return try await target.call(.post, Self.path, headers: headers, body: form.bytes, token: token)
  }

  @Test(arguments: [7, 100_000])
  func aRepeatedUploadIsOneDocument(_ size: Int) async throws {
    let target = try TestAppliance()
    let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0) }
    let first = try await send(target, "k-1", bytes)
    #expect(first.status == 201, "\(first.text)")
    for key in ["k-1", "\"k-1\""] {
      let again = try await send(target, key, bytes)
      #expect(again.status == 201)
      #expect(again.body == first.body)
      #expect(again.headers["Location"] == first.headers["Location"])
      #expect(Position(cursor: try #require(again.headers["ArtStore-Position"])) != nil)
    }
    #expect(try await send(target, "k-2", bytes).record().fileID != first.record().fileID)
    #expect(try await send(target, "k-1", bytes, subject: "petrova").record().fileID != first.record().fileID)
    try expectCount(3, in: target)
    #expect(try target.documents(in: "staging").isEmpty)
  }

  @Test func anotherRequestUnderTheKeyIsRefused() async throws {
    let target = try TestAppliance()
    #expect(try await send(target, "k").status == 201)
    let others = [
      try await send(target, "k", [1, 2]), try await send(target, "k", name: "b.txt"),
      try await send(target, "k", fields: []), try await send(target, "k", fields: [("description", "e")]),
      try await send(target, "k", fields: [("description", "d"), ("ttl_days", "7")]),
      try await send(target, "k", fields: [("description", "d"), ("tags", #"["x"]"#)]),
    ]
    for answer in others {
      #expect(answer.status == 409)
      #expect(answer.error.code == "CONFLICT" && answer.error.message.contains("Idempotency-Key"))
    }
    try expectCount(1, in: target)
  }

  @Test(arguments: ["", "\"\"", "a b", "ключ", String(repeating: "x", count: 256), "a\"b"])
  func aBadKeyIsNamed(_ key: String) async throws {
    let target = try TestAppliance()
    let answer = try await send(target, key)
    #expect(answer.status == 400)
    #expect(answer.error.message.contains("Idempotency-Key"))
    try expectCount(0, in: target)
  }

  @Test func aDeletedDocumentDoesNotComeBack() async throws {
    let target = try TestAppliance()
    let id = try await send(target, "k").record().fileID
    #expect(try await target.call(.delete, "/api/v1/files/\(id)").status == 204)
    let again = try await send(target, "k")
    #expect(again.status == 409)
    #expect(again.error.message.contains("deleted"))
  }

  @Test func requestsAtOnceMakeOneDocument() async throws {
    let target = try TestAppliance()
    let answers = try await withThrowingTaskGroup(of: [UInt8].self) { group in
      for _ in 0..<12 {
        group.addTask {
          let answer = try await send(target, "k", Array(repeating: 7, count: 90_000))
          #expect(answer.status == 201, "\(answer.text)")
          return answer.body
        }
      }
      return try await group.reduce(into: Set<[UInt8]>()) { $0.insert($1) }
    }
    #expect(answers.count == 1)
    try expectCount(1, in: target)
    #expect(try target.documents(in: "staging").isEmpty)
  }

  @Test func aRawBodyHasAKeyToo() async throws {
    let target = try TestAppliance()
    let headers: HeaderFields = ["Content-Disposition": "attachment; filename=a", "Idempotency-Key": "r"]
    let first = try await target.call(.post, Self.path, headers: headers, body: [1])
    #expect(first.status == 201)
    #expect(try await target.call(.post, Self.path, headers: headers, body: [1]).body == first.body)
    #expect(try await target.call(.post, Self.path, headers: headers, body: [2]).status == 409)
    var wrong = headers
    wrong["Repr-Digest"] = DigestText.of([9])
    #expect(try await target.call(.post, Self.path, headers: wrong, body: [1]).status == 422)
  }

  @Test func aRepeatedCreationFindsItsUpload() async throws {
    let target = try TestAppliance()
    let key: HeaderFields = ["Idempotency-Key": "t"]
    let first = try await ResumableRouteTests.begin(target, length: 5, headers: key)
    let location = try #require(first.headers["Location"])
    #expect(try await ResumableRouteTests.piece(target, location, at: 0, [1, 2]).status == 204)
    var body = key
    body["Content-Type"] = "application/offset+octet-stream"
    let again = try await ResumableRouteTests.begin(target, length: 5, headers: body, body: [1, 2, 3])
    #expect(again.status == 201)
    #expect(again.headers["Location"] == location && again.headers["Upload-Offset"] == "2")
    #expect(try await ResumableRouteTests.begin(target, length: 6, headers: key).status == 409)
    #expect(
      try await ResumableRouteTests.begin(target, length: 5, metadata: [("filename", "b")], headers: key).status == 409)
    let done = try await ResumableRouteTests.piece(target, location, at: 2, [3, 4, 5])
    let id = try #require(done.headers["ArtStore-File-Id"])
    let last = try await ResumableRouteTests.begin(target, length: 5, headers: key)
    #expect(last.headers["Location"] == location && last.headers["ArtStore-File-Id"] == id)
    try expectCount(1, in: target)
  }

  @Test func theWholeFormIsHeldAgainstItsDigest() async throws {
    let target = try TestAppliance()
    let form = Form(file: ("a.txt", [1, 2, 3]))
    let bytes = form.bytes + Array("epilogue".utf8)
    for (digest, status) in [(DigestText.of(bytes), 201), (DigestText.of([1, 2, 3]), 422)] {
      var headers = form.headers
      headers["Content-Digest"] = digest
      #expect(try await target.call(.post, Self.path, headers: headers, body: bytes).status == status)
    }
    try expectCount(1, in: target)
  }

  private func expectCount(_ count: Int, in target: TestAppliance) throws {
    #expect(target.store.summary.counts[.active]?.files ?? 0 == count)
  }
}
