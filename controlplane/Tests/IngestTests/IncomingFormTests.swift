import Core
import HTTP
import StorageAPI
import Testing

@testable import Ingest

/// Forms as clients send them: fields in any order, documents small and large, and what is wrong with them.
struct IncomingFormTests {
  enum Part {
    case field(String, String)
    case file(String, Int)
  }

  static func body(_ parts: [Part]) -> [UInt8] {
    var bytes: [UInt8] = []
    for part in parts {
      switch part {
      case .field(let name, let value):
        bytes += Array("--B\r\nContent-Disposition: form-data; name=\"\(name)\"\r\n\r\n\(value)\r\n".utf8)
      case .file(let name, let size):
        bytes += Array("--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"\(name)\"\r\n\r\n".utf8)
        bytes += (0..<size).map { UInt8(truncatingIfNeeded: $0) } + [0x0D, 0x0A]
      }
    }
    return bytes + Array("--B--\r\n".utf8)
  }

  static func form(_ parts: [Part], fileBytesMax: Int = 1 << 20) throws -> IncomingForm {
    let pieces = ArrayPieces(body(parts), size: 8192)
    return IncomingForm(try MultipartReader(boundary: "B") { pieces.next() }, fileBytesMax: fileBytesMax)
  }

  /// Hands out an array in pieces, as a socket would.
  final class ArrayPieces {
    private var rest: ArraySlice<UInt8>
    private let size: Int

    init(_ bytes: [UInt8], size: Int) {
      rest = bytes[...]
      self.size = size
    }

    func next() -> [UInt8]? {
      guard !rest.isEmpty else { return nil }
      defer { rest = rest.dropFirst(size) }
      return Array(rest.prefix(size))
    }
  }

  static func drain(_ form: IncomingForm) async throws -> Int {
    var count = 0
    while let chunk = try await form.nextChunk() { count += chunk.count }
    return count
  }

  @Test func fieldsBeforeTheDocumentAreKnown() async throws {
    let form = try Self.form([.field("retention_policy", "permanent"), .field("tags", "[\"a\"]"), .file("x.txt", 10)])
    #expect(try await form.beginDocument(isLast: true))
    #expect(form.fields.effectivePolicy == .permanent)
    #expect(try await Self.drain(form) == 10)
    #expect(try await form.lateFields().isEmpty)
  }

  @Test func fieldsBehindASmallDocumentAreKnownBeforeItGoesOut() async throws {
    let form = try Self.form([.file("x.txt", 10), .field("retention_policy", "permanent"), .field("description", "d")])
    #expect(try await form.beginDocument(isLast: true))
    #expect(form.fields.effectivePolicy == .permanent)
    #expect(form.fields.outgoing.count == 2)
    #expect(try await Self.drain(form) == 10)
  }

  @Test func fieldsBehindALargeDocumentFollowIt() async throws {
    let form = try Self.form([.file("x.bin", 200_000), .field("description", "late")])
    #expect(try await form.beginDocument(isLast: true))
    #expect(form.fields.outgoing.map(\.name) == ["retention_policy"])
    #expect(try await Self.drain(form) == 200_000)
    #expect(try await form.lateFields().map(\.value) == ["late"])
  }

  @Test func aPolicyThatComesTooLateIsRefused() async throws {
    let form = try Self.form([.file("x.bin", 200_000), .field("retention_policy", "permanent")])
    #expect(try await form.beginDocument(isLast: true))
    _ = try await Self.drain(form)
    let error = await #expect(throws: APIError.self) { try await form.lateFields() }
    #expect(error?.message.contains("before the file") == true)
  }

  @Test func theSizeLimitHoldsWhileStreaming() async throws {
    let form = try Self.form([.file("x.bin", 200_000)], fileBytesMax: 100_000)
    #expect(try await form.beginDocument(isLast: true))
    let error = await #expect(throws: APIError.self) { try await Self.drain(form) }
    #expect(error?.code == .fileTooLarge)
  }

  @Test func severalDocumentsComeOneAfterTheOther() async throws {
    let form = try Self.form([.field("tags", "[]"), .file("1", 5), .file("2", 100_000), .file("3", 0)])
    var sizes: [Int] = []
    while try await form.beginDocument(isLast: false) {
      sizes.append(try await Self.drain(form))
      // As an upload asks at its end: what follows is the next document, not this one's fields.
      #expect(try await form.lateFields().isEmpty)
      form.endDocument()
    }
    #expect(sizes == [5, 100_000, 0])
  }

  @Test func aSecondDocumentInASingleUploadIsRefused() async throws {
    let form = try Self.form([.file("1", 5), .file("2", 5)])
    let error = await #expect(throws: APIError.self) { try await form.beginDocument(isLast: true) }
    #expect(error?.message.contains("batch") == true)
  }

  @Test(arguments: [
    ("colour", "x"), ("tags", "a,b"), ("tags", "[1]"), ("ttl_days", "0"), ("ttl_days", "366"), ("ttl_days", "ten"),
    ("retention_policy", "forever"), ("metadata", "[]"), ("metadata", "{"),
    ("description", String(repeating: "d", count: 1001)), ("description", "a\u{1}b"),
  ])
  func wrongFieldsAreNamed(name: String, value: String) async throws {
    let form = try Self.form([.field(name, value), .file("x", 1)])
    let error = await #expect(throws: APIError.self) { try await form.beginDocument(isLast: true) }
    #expect(error?.code == .validation)
    #expect(error?.message.contains(name) == true)
  }

  @Test func contradictionsAreRefused() async throws {
    let twice = try Self.form([.field("tags", "[]"), .field("tags", "[]"), .file("x", 1)])
    await #expect(throws: APIError.self) { try await twice.beginDocument(isLast: true) }
    let expiring = try Self.form([.field("ttl_days", "5"), .field("retention_policy", "permanent"), .file("x", 1)])
    await #expect(throws: APIError.self) { try await expiring.beginDocument(isLast: true) }
  }

  @Test(arguments: ["../etc/passwd", "a/b", "..", "tab\tname", String(repeating: "n", count: 300)])
  func badFileNamesAreRefused(name: String) async throws {
    let form = try Self.form([.file(name, 1)])
    await #expect(throws: APIError.self) { try await form.beginDocument(isLast: true) }
  }

  @Test func aFormWithoutADocumentHasNone() async throws {
    #expect(try await Self.form([.field("tags", "[]")]).beginDocument(isLast: true) == false)
  }
}
