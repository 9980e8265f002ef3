import HTTP
import Testing

struct MultipartReaderTests {
  struct Found: Equatable {
    var name: String
    var filename: String?
    var type: String?
    var body: String
  }

  static let body =
    "--AaB03x\r\nContent-Disposition: form-data; name=\"description\"\r\n\r\nline 1\r\n--AaB\r\n-\r\n--AaB03x \t\r\n"
    + "Content-Disposition: form-data; name=file; filename=\"отчёт \\\"1\\\".pdf\"\r\n"
    + "content-type: application/pdf\r\n\r\n"
    + "\r\r\n\r\n--AaB03\r\r\n--AaB03x\r\nContent-Disposition: form-data; name=\"empty\"\r\n\r\n\r\n"
    + "--AaB03x--\r\nepilogue"

  static let expected = [
    Found(name: "description", filename: nil, type: nil, body: "line 1\r\n--AaB\r\n-"),
    Found(name: "file", filename: "отчёт \"1\".pdf", type: "application/pdf", body: "\r\r\n\r\n--AaB03\r"),
    Found(name: "empty", filename: nil, type: nil, body: ""),
  ]

  static func read(_ pieces: [[UInt8]], boundary: String = "AaB03x") async throws -> [Found] {
    var rest = pieces[...]
    let reader = try MultipartReader(boundary: boundary) { rest.popFirst() }
    var found: [Found] = []
    while let part = try await reader.nextPart() {
      let body = String(decoding: try await part.collect(limit: 1_000_000), as: UTF8.self)
      found.append(Found(name: part.name, filename: part.filename, type: part.contentType, body: body))
    }
    #expect(rest.isEmpty)
    return found
  }

  @Test func readsTheSameWhereverItIsCut() async throws {
    let bytes = Array(Self.body.utf8)
    for cut in 0...bytes.count {
      #expect(try await Self.read([Array(bytes[..<cut]), Array(bytes[cut...])]) == Self.expected, "cut at \(cut)")
    }
    for size in [1, 2, 3, 7] {
      let pieces = stride(from: 0, to: bytes.count, by: size).map { Array(bytes[$0..<min($0 + size, bytes.count)]) }
      #expect(try await Self.read(pieces) == Self.expected, "pieces of \(size)")
    }
  }

  @Test func skipsPartsNobodyReads() async throws {
    var rest = [Array(Self.body.utf8)][...]
    let reader = try MultipartReader(boundary: "AaB03x") { rest.popFirst() }
    let first = try #require(try await reader.nextPart())
    let second = try #require(try await reader.nextPart())
    #expect(second.name == "file")
    #expect(try await first.nextChunk() == nil)
    #expect(try await second.nextChunk() != nil)
    #expect(try await reader.nextPart()?.name == "empty")
    #expect(try await reader.nextPart() == nil)
    #expect(try await reader.nextPart() == nil)
  }

  @Test(arguments: [
    "", "--b", "--b\r\n", "--bx\r\n\r\n\r\n--b--", "--b\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n--b",
    "--b\r\nbroken\r\n\r\n\r\n--b--\r\n", "--b\r\nA : x\r\n\r\n\r\n--b--", "--b\r\nA: x\n\r\n\r\n--b--",
    "--b\r\nA: \u{0}\r\n\r\n\r\n--b--", "no boundary at all",
  ])
  func refusesBrokenBodies(_ body: String) async {
    await #expect(throws: APIError.self) { try await Self.read([Array(body.utf8)], boundary: "b") }
  }

  @Test func boundsPartsAndHeaders() async throws {
    let many = String(repeating: "--b\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n", count: 513) + "--b--"
    await #expect(throws: APIError.self) { try await Self.read([Array(many.utf8)], boundary: "b") }
    let long = "--b\r\nX: \(String(repeating: "y", count: 9000))\r\n\r\n\r\n--b--"
    await #expect(throws: APIError.self) { try await Self.read([Array(long.utf8)], boundary: "b") }
    let preamble = String(repeating: "p", count: 2000) + "\r\n--b--"
    await #expect(throws: APIError.self) { try await Self.read([Array(preamble.utf8)], boundary: "b") }
    var rest = [Array("--b\r\nContent-Disposition: form-data; name=a\r\n\r\n12345\r\n--b--".utf8)][...]
    let part = try #require(try await MultipartReader(boundary: "b") { rest.popFirst() }.nextPart())
    await #expect(throws: APIError.self) { try await part.collect(limit: 4) }
  }

  @Test func findsTheBoundary() throws {
    #expect(try MultipartReader.boundary(contentType: "Multipart/Form-Data; Boundary=\"a b\"") == "a b")
    for wrong in [nil, "text/plain", "multipart/form-data", "multipart/mixed; boundary=a"] {
      #expect(throws: APIError.self) { try MultipartReader.boundary(contentType: wrong) }
    }
    #expect(throws: APIError.self) { try MultipartReader(boundary: String(repeating: "x", count: 71)) { nil } }
  }
}
