internal import Core
internal import HTTP
internal import HTTPServer
internal import StorageAPI
internal import Testing

@testable import Console

/// What the ingester is given is read with the reader it uses.
@Suite struct ForwardTests {
  private func parts(_ draft: UploadDraft, content: String) async throws -> [(MultipartPart, String)] {
    let body = Array(
      "--X\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n\(content)\r\n--X--\r\n".utf8)
    let source = RequestBody(bytes: body)
    let reader = try MultipartReader(boundary: "X") { try await source.next() }
    let part = try #require(try await reader.nextPart())
    let original = try Request.make(.post, "/files/upload")
    let forward = try UploadForward(draft, from: DocumentSource(part), random: SeededRandom(seed: 1))
      .request(like: original)
    #expect(forward.requestID == original.requestID)
    let boundary = try MultipartReader.boundary(contentType: forward.head.header("Content-Type"))
    let again = try MultipartReader(boundary: boundary) { try await forward.body.next() }
    var found: [(MultipartPart, String)] = []
    while let part = try await again.nextPart() { found.append((part, try await part.collectText(limit: 1 << 20))) }
    return found
  }

  @Test func fieldsAndBytesArriveAsTheyWere() async throws {
    var draft = UploadDraft()
    draft.filename = "отчёт \"2026\"; a=b\r\n%41.txt"
    draft.contentType = "text/plain"
    draft.description = "line\r\n--not a boundary"
    draft.tags = ["a \"b\"", "второй"]
    draft.ttlDays = 7
    let content = String(repeating: "данные\r\n--artstore-\r\n", count: 500)
    let found = try await parts(draft, content: content)
    #expect(found.map(\.0.name) == ["retention_policy", "description", "tags", "ttl_days", "file"])
    #expect(found[0].1 == "temporary" && found[1].1 == draft.description && found[3].1 == "7")
    #expect(try JSON.decode([String].self, from: found[2].1.utf8) == draft.tags)
    #expect(found[4].0.filename == draft.filename && found[4].0.contentType == "text/plain")
    #expect(found[4].1 == content)
  }

  @Test func aTypeThatIsNoneStaysBehind() async throws {
    var draft = UploadDraft()
    draft.filename = "a"
    draft.contentType = "text/plain\u{7F} x"
    draft.retention = .permanent
    let found = try await parts(draft, content: "")
    #expect(found.map(\.0.name) == ["retention_policy", "file"])
    #expect(found[1].0.contentType == nil && found[1].1.isEmpty)
  }
}
