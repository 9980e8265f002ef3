import Core
import Crypto
import HTTP
import HTTPServer
import StorageAPI
import Store
import Testing

@Suite struct DownloadTests {
  static let bytes = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 ^ $0 >> 8) }

  private func target(_ bytes: [UInt8] = bytes) async throws -> (TestAppliance, String, FileRecord) {
    let target = try TestAppliance(mode: .rw)
    let record = try await target.upload(bytes, name: "данные №1.bin").record()
    return (target, "/api/v1/files/\(record.fileID)/download", record)
  }

  @Test func theWholeDocumentAndItsFields() async throws {
    let (target, path, record) = try await target()
    let answer = try await target.call(.get, path)
    #expect(answer.status == 200)
    #expect(answer.body == Self.bytes)
    #expect(answer.headers["ETag"] == "\"\(record.checksum)\"")
    #expect(answer.headers["Accept-Ranges"] == "bytes")
    #expect(answer.headers["Repr-Digest"] == DigestText.of(Self.bytes))
    #expect(answer.headers["Content-Type"] == "text/plain")
    #expect(answer.headers["X-Content-Type-Options"] == "nosniff")
    let disposition = try #require(answer.headers["Content-Disposition"])
    #expect(ContentDisposition.parse(disposition)?.filename == "данные №1.bin")
    let head = try await target.call(.head, path)
    #expect(head.status == 200 && head.headers["ETag"] == answer.headers["ETag"])
  }

  @Test(arguments: [
    ("bytes=0-0", 0...0), ("bytes=1000-1999", 1000...1999), ("bytes=99990-", 99_990...99_999),
    ("bytes=-5", 99_995...99_999), ("bytes=99999-200000", 99_999...99_999),
  ])
  func oneRange(_ header: String, _ range: ClosedRange<Int>) async throws {
    let (target, path, _) = try await target()
    let answer = try await target.call(.get, path, headers: ["Range": header])
    #expect(answer.status == 206)
    #expect(answer.headers["Content-Range"] == "bytes \(range.lowerBound)-\(range.upperBound)/100000")
    #expect(answer.body == Array(Self.bytes[range]))
  }

  @Test func severalRanges() async throws {
    let (target, path, _) = try await target()
    let answer = try await target.call(.get, path, headers: ["Range": "bytes=0-9,50000-50009,-10"])
    #expect(answer.status == 206)
    let type = try #require(answer.headers["Content-Type"].flatMap { MediaType(parsing: $0) })
    #expect(type.essence == "multipart/byteranges")
    let boundary = try #require(type.parameters["boundary"])
    var rest = answer.body[...]
    for (first, last) in [(0, 9), (50_000, 50_009), (99_990, 99_999)] {
      let head = "\r\n--\(boundary)\r\nContent-Type: text/plain\r\nContent-Range: bytes \(first)-\(last)/100000\r\n\r\n"
      let expected = Array(head.utf8) + Self.bytes[first...last]
      #expect(Array(rest.prefix(expected.count)) == expected)
      rest = rest.dropFirst(expected.count)
    }
    #expect(Array(rest) == Array("\r\n--\(boundary)--\r\n".utf8))
  }

  @Test func aRangeOutsideIsUnsatisfiable() async throws {
    let (target, path, _) = try await target()
    let answer = try await target.call(.get, path, headers: ["Range": "bytes=100000-"])
    #expect(answer.status == 416 && answer.error.code == "INVALID_RANGE")
    #expect(answer.headers["Content-Range"] == "bytes */100000")
    // Malformed ranges are ignored (RFC 9110 §14.2).
    #expect(try await target.call(.get, path, headers: ["Range": "lines=1-2"]).status == 200)
    #expect(try await target.call(.head, path, headers: ["Range": "bytes=0-9"]).status == 200)
  }

  @Test func conditions() async throws {
    let (target, path, record) = try await target()
    let tag = "\"\(record.checksum)\""
    let cases: [(HeaderFields, Int)] = [
      (["If-None-Match": tag], 304), (["If-None-Match": "W/\(tag)"], 304), (["If-None-Match": "*"], 304),
      (["If-None-Match": "\"other\""], 200), (["If-Match": tag], 200), (["If-Match": "\"other\""], 412),
      (["If-Match": "W/\(tag)"], 412), (["If-Modified-Since": HTTPDate.format(record.uploadedAt)], 304),
      (["If-Unmodified-Since": HTTPDate.format(record.uploadedAt - .seconds(10))], 412),
      (["Range": "bytes=0-9", "If-Range": tag], 206), (["Range": "bytes=0-9", "If-Range": "\"other\""], 200),
      (["Range": "bytes=0-9", "If-Range": "W/\(tag)"], 200), (["Range": "bytes=0-9", "If-Match": "\"other\""], 412),
    ]
    for (headers, status) in cases {
      let answer = try await target.call(.get, path, headers: headers)
      #expect(answer.status == status, "\(headers.fields)")
      if status == 304 { #expect(answer.body.isEmpty && answer.headers["ETag"] == tag) }
    }
  }

  @Test func smallAndEmptyDocuments() async throws {
    for bytes in [[], [42], Array("small".utf8)] as [[UInt8]] {
      let (target, path, _) = try await target(bytes)
      // First from memory, then from its place on disk.
      #expect(try await target.call(.get, path).body == bytes)
      target.store.flush()
      #expect(try await target.call(.get, path).body == bytes)
      if bytes.isEmpty { #expect(try await target.call(.get, path, headers: ["Range": "bytes=0-"]).status == 416) }
    }
  }

  @Test func whatCannotBeDownloaded() async throws {
    let (target, path, _) = try await target()
    let nobody = "/api/v1/files/\(FileID(high: 9, low: 9))/download"
    #expect(try await target.call(.get, nobody).error.code == "NOT_FOUND")
    #expect(try await target.call(.get, "/api/v1/files/17/download").error.code == "VALIDATION_ERROR")
    _ = try await target.store.transition(to: .ro, confirm: false, by: Actor("test"))
    #expect(try await target.call(.get, path).status == 200)
    _ = try await target.store.transition(to: .ar, confirm: true, by: Actor("test"))
    let archived = try await target.call(.get, path)
    #expect(archived.status == 409 && archived.error.code == "MODE_NOT_ALLOWED")

    let edit = try TestAppliance()
    let record = try await edit.upload([1]).record()
    #expect(try await edit.call(.delete, "/api/v1/files/\(record.fileID)").status == 204)
    #expect(try await edit.call(.get, "/api/v1/files/\(record.fileID)/download").status == 404)
  }
}
