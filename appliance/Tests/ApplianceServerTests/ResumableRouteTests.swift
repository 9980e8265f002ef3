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

@Suite struct ResumableRouteTests {
  static let path = "/api/v1/uploads"
  static let bytes = (0..<200_000).map { UInt8(truncatingIfNeeded: $0 &* 37 >> 4) }

  static func metadata(_ pairs: [(String, String)]) -> String {
    pairs.map { "\($0.0) \(Base64.standard.encode(Array($0.1.utf8)))" }.joined(separator: ",")
  }

  static func begin(
    _ target: TestAppliance, length: Int, metadata: [(String, String)] = [("filename", "отчёт.pdf")],
    headers extra: HeaderFields = [:], body: [UInt8] = [], token: String? = nil
  ) async throws -> Answer {
    var headers: HeaderFields = [
      "Tus-Resumable": "1.0.0", "Upload-Length": "\(length)", "Upload-Metadata": Self.metadata(metadata),
    ]
    for (name, value) in extra.fields { headers[name] = value }
    return try await target.call(.post, path, headers: headers, body: body, token: token)
  }

  static func piece(
    _ target: TestAppliance, _ location: String, at offset: Int, _ bytes: [UInt8], headers extra: HeaderFields = [:],
    token: String? = nil
  ) async throws -> Answer {
    var headers: HeaderFields = [
      "Tus-Resumable": "1.0.0", "Upload-Offset": "\(offset)", "Content-Type": "application/offset+octet-stream",
    ]
    for (name, value) in extra.fields { headers[name] = value }
    return try await target.call(.patch, location, headers: headers, body: bytes, token: token)
  }

  static func head(_ target: TestAppliance, _ location: String, token: String? = nil) async throws -> Answer {
    try await target.call(.head, location, headers: ["Tus-Resumable": "1.0.0"], token: token)
  }

  @Test func aDocumentComesInPieces() async throws {
    let target = try TestAppliance()
    let fields = [
      ("filename", "отчёт.pdf"), ("filetype", "application/pdf"), ("description", "по частям"), ("tags", #"["a"]"#),
      ("ttl_days", "7"), ("metadata", #"{"case":17}"#),
    ]
    let made = try await Self.begin(target, length: Self.bytes.count, metadata: fields)
    #expect(made.status == 201, "\(made.text)")
    #expect(made.headers["Upload-Offset"] == "0")
    #expect(made.headers["Tus-Resumable"] == "1.0.0")
    #expect(made.headers["Upload-Expires"] != nil)
    let location = try #require(made.headers["Location"])
    var offset = 0
    var last = made
    while offset < Self.bytes.count {
      let end = min(Self.bytes.count, offset + 66_000)
      last = try await Self.piece(target, location, at: offset, Array(Self.bytes[offset..<end]))
      #expect(last.status == 204, "\(last.text)")
      offset = end
      #expect(last.headers["Upload-Offset"] == "\(offset)")
      let told = try await Self.head(target, location)
      #expect(told.status == 200)
      #expect(told.headers["Upload-Offset"] == "\(offset)")
      #expect(told.headers["Upload-Length"] == "\(Self.bytes.count)")
      #expect(told.headers["Cache-Control"] == "no-store")
      #expect(told.headers["Upload-Metadata"] == Self.metadata(fields))
    }
    let id = try #require(last.headers["ArtStore-File-Id"])
    #expect(Position(cursor: try #require(last.headers["ArtStore-Position"])) != nil)
    let record = try await target.call(.get, "/api/v1/files/\(id)").record()
    #expect(record.checksum == SHA256.digest(Self.bytes))
    #expect(record.originalFilename == "отчёт.pdf" && record.contentType == "application/pdf")
    #expect(record.description == "по частям" && record.tags == ["a"] && record.ttlDays == 7)
    #expect(record.metadata == ["case": .integer(17)])
    #expect(try await target.call(.get, "/api/v1/files/\(id)/download").body == Self.bytes)
    #expect(try await Self.head(target, location).headers["ArtStore-File-Id"] == id)
  }

  @Test func aFinishedUploadCannotBeChanged() async throws {
    let target = try TestAppliance()
    let made = try await Self.begin(target, length: 3)
    let location = try #require(made.headers["Location"])
    #expect(try await Self.piece(target, location, at: 0, [1, 2, 3]).status == 204)
    for (offset, bytes) in [(0, [1, 2, 3]), (3, [4]), (2, [9]), (3, [])] as [(Int, [UInt8])] {
      let answer = try await Self.piece(target, location, at: offset, bytes)
      #expect(answer.status == 409, "\(offset)")
      #expect(answer.error.code == "CONFLICT")
    }
    let removed = try await target.call(.delete, location, headers: ["Tus-Resumable": "1.0.0"])
    #expect(removed.status == 409)
    let id = try #require(try await Self.head(target, location).headers["ArtStore-File-Id"])
    #expect(try await target.call(.get, "/api/v1/files/\(id)/download").body == [1, 2, 3])
  }

  @Test(arguments: [0, 99, 101, 150, 1 << 40])
  func aStaleOrOverlappingOffsetIsAConflict(_ offset: Int) async throws {
    let target = try TestAppliance()
    let made = try await Self.begin(target, length: 1000)
    let location = try #require(made.headers["Location"])
    #expect(try await Self.piece(target, location, at: 0, Array(Self.bytes[..<100])).status == 204)
    let answer = try await Self.piece(target, location, at: offset, [1, 2, 3])
    #expect(answer.status == 409)
    #expect(answer.headers["Tus-Resumable"] == "1.0.0")
    #expect(try await Self.head(target, location).headers["Upload-Offset"] == "100")
  }

  @Test func aPieceIsCheckedBeforeItCounts() async throws {
    let target = try TestAppliance()
    let made = try await Self.begin(target, length: 100_000)
    let location = try #require(made.headers["Location"])
    let piece = Array(Self.bytes[..<70_000])
    func sum(_ algorithm: RunningDigest.Algorithm, _ bytes: [UInt8]) -> String {
      let digest = RunningDigest(algorithm)
      digest.update(bytes)
      return "\(algorithm.rawValue) \(Base64.standard.encode(digest.finish()))"
    }
    for wrong in [sum(.sha1, [0]), sum(.sha256, [0])] {
      let refused = try await Self.piece(target, location, at: 0, piece, headers: ["Upload-Checksum": wrong])
      #expect(refused.status == 460)
      #expect(refused.error.code == "CHECKSUM_MISMATCH")
      #expect(try await Self.head(target, location).headers["Upload-Offset"] == "0")
    }
    let digest = try await Self.piece(
      target, location, at: 0, piece, headers: ["Content-Digest": DigestText.of([0])])
    #expect(digest.status == 460)
    for nonsense in ["md5 AAAA", "sha1", "sha1 AAAA", "sha1 !!", "", "sha1  a b"] {
      let refused = try await Self.piece(target, location, at: 0, piece, headers: ["Upload-Checksum": nonsense])
      #expect(refused.status == 400, "\(nonsense)")
    }
    #expect(
      try await Self.piece(target, location, at: 0, piece, headers: ["Upload-Checksum": sum(.sha1, piece)]).status
        == 204)
    let rest = Array(Self.bytes[70_000..<100_000])
    let done = try await Self.piece(
      target, location, at: 70_000, rest, headers: ["Upload-Checksum": sum(.sha256, rest)])
    let id = try #require(done.headers["ArtStore-File-Id"])
    #expect(try await target.call(.get, "/api/v1/files/\(id)/download").body == Array(Self.bytes[..<100_000]))
  }

  @Test func theWholeIsHeldAgainstWhatWasDeclared() async throws {
    let target = try TestAppliance()
    let good = try await Self.begin(target, length: 3, headers: ["Repr-Digest": DigestText.of([1, 2, 3])])
    let done = try await Self.piece(target, try #require(good.headers["Location"]), at: 0, [1, 2, 3])
    #expect(done.headers["ArtStore-File-Id"] != nil)
    let bad = try await Self.begin(target, length: 3, headers: ["Repr-Digest": DigestText.of([1, 2, 3])])
    let location = try #require(bad.headers["Location"])
    let refused = try await Self.piece(target, location, at: 0, [1, 2, 4])
    #expect(refused.status == 422)
    #expect(try await Self.head(target, location).status == 404)
    #expect(try target.documents(in: "staging").filter { $0.hasSuffix(".part") }.isEmpty)
  }

  @Test func theFirstPieceMayComeWithTheCreation() async throws {
    let target = try TestAppliance()
    let type: HeaderFields = ["Content-Type": "application/offset+octet-stream"]
    let some = try await Self.begin(target, length: 5, headers: type, body: [1, 2])
    #expect(some.status == 201)
    #expect(some.headers["Upload-Offset"] == "2")
    let whole = try await Self.begin(target, length: 2, headers: type, body: [1, 2])
    #expect(whole.headers["ArtStore-File-Id"] != nil)
    let empty = try await Self.begin(target, length: 0)
    let id = try #require(empty.headers["ArtStore-File-Id"])
    #expect(try await target.call(.get, "/api/v1/files/\(id)").record().size == 0)
    #expect(try await Self.begin(target, length: 1, headers: type, body: [1, 2]).status == 413)
    #expect(try await Self.begin(target, length: 9, body: [1, 2]).status == 415)
  }

  @Test func anUploadIsItsOwnersAlone() async throws {
    let target = try TestAppliance()
    let (own, other) = (
      try target.token([.filesWrite], actsFor: "petrova"), try target.token([.filesWrite], actsFor: "sidorov")
    )
    let made = try await Self.begin(target, length: 10, token: own)
    let location = try #require(made.headers["Location"])
    #expect(try await Self.head(target, location, token: other).status == 404)
    #expect(try await Self.piece(target, location, at: 0, [1], token: other).status == 404)
    #expect(
      try await target.call(.delete, location, headers: ["Tus-Resumable": "1.0.0"], token: other).status == 404)
    #expect(try await Self.piece(target, location, at: 0, [1], token: own).status == 204)
    #expect(try await Self.head(target, "\(Self.path)/nonsense").status == 404)
  }

  @Test func deletionFreesEverything() async throws {
    let target = try TestAppliance(capacity: 1 << 20)
    let before = target.store.summary.availableBytes
    let made = try await Self.begin(target, length: 250_000)
    let location = try #require(made.headers["Location"])
    #expect(try await Self.piece(target, location, at: 0, Array(Self.bytes[..<100_000])).status == 204)
    #expect(target.store.summary.availableBytes < before - 240_000)
    #expect(try await target.call(.delete, location, headers: ["Tus-Resumable": "1.0.0"]).status == 204)
    #expect(try await Self.head(target, location).status == 404)
    #expect(target.store.summary.availableBytes == before)
    #expect(try target.documents(in: "staging").isEmpty)
  }

  /// tus 1.0 wants its version in every answer: also where no handler of ours was asked.
  @Test func everyRefusalNamesTheVersionOnce() async throws {
    let target = try TestAppliance()
    let made = try await Self.begin(target, length: 10)
    let location = try #require(made.headers["Location"])
    let own: HeaderFields = ["Tus-Resumable": "1.0.0"]
    let answers: [(Int, Answer)] = [
      (401, try await target.call(.post, Self.path, headers: own, scopes: nil)),
      (401, try await target.call(.head, location, headers: own, token: "nonsense")),
      (403, try await target.call(.patch, location, headers: own, scopes: [.filesRead])),
      (405, try await target.call(.put, location, headers: own)),
      (404, try await target.call(.head, location + "/more", headers: own)),
      (404, try await target.call(.delete, "\(Self.path)/\(FileID.random(SystemRandom()))", headers: own)),
      (412, try await target.call(.head, location)),
    ]
    for (status, answer) in answers {
      #expect(answer.status == status)
      #expect(answer.headers.fields.filter { $0.name.lowercased() == "tus-resumable" }.map(\.value) == ["1.0.0"])
    }
    #expect(try await target.call(.get, "/api/v1/files", scopes: nil).headers["Tus-Resumable"] == nil)
  }

  @Test func whatIsNotOfTheProtocolIsRefused() async throws {
    let target = try TestAppliance()
    let made = try await Self.begin(target, length: 10)
    let location = try #require(made.headers["Location"])
    for (method, path) in [(.post, Self.path), (.head, location), (.patch, location), (.delete, location)]
      as [(HTTPMethod, String)]
    {
      for version in [[:], ["Tus-Resumable": "0.2.2"]] as [HeaderFields] {
        let answer = try await target.call(method, path, headers: version)
        #expect(answer.status == 412)
        #expect(answer.headers["Tus-Version"] == "1.0.0")
      }
    }
    func begin(_ headers: HeaderFields) async throws -> Int {
      try await target.call(.post, Self.path, headers: headers).status
    }
    let name = Self.metadata([("filename", "a.txt")])
    let good: HeaderFields = ["Tus-Resumable": "1.0.0", "Upload-Length": "1", "Upload-Metadata": name]
    func with(_ field: String, _ value: String?) -> HeaderFields {
      var headers = good
      headers[field] = value
      return headers
    }
    #expect(try await begin(good) == 201)
    #expect(try await begin(with("Upload-Length", nil)) == 400)
    #expect(try await begin(with("Upload-Length", "-1")) == 400)
    #expect(try await begin(with("Upload-Length", "1e3")) == 400)
    #expect(try await begin(with("Upload-Length", "999999999")) == 413)
    #expect(try await begin(with("Upload-Defer-Length", "1")) == 400)
    #expect(try await begin(with("Upload-Metadata", nil)) == 400)
    #expect(try await begin(with("Upload-Metadata", "filename !!")) == 400)
    #expect(try await begin(with("Upload-Metadata", name + ",colour Ymx1ZQ==")) == 400)
    #expect(try await begin(with("Upload-Metadata", Self.metadata([("filename", "../a")]))) == 400)
    let piece: HeaderFields = ["Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"]
    #expect(try await target.call(.patch, location, headers: piece, body: [1]).status == 400)
    let typed: HeaderFields = ["Tus-Resumable": "1.0.0", "Content-Type": "text/plain", "Upload-Offset": "0"]
    #expect(try await target.call(.patch, location, headers: typed, body: [1]).status == 415)
    #expect(try await Self.piece(target, location, at: 0, Array(repeating: 1, count: 11)).status == 413)
    #expect(try await Self.head(target, location).headers["Upload-Offset"] == "0")
    let able = try await target.call(.options, Self.path, peer: .query, scopes: nil)
    #expect(able.status == 204)
    #expect(able.headers["Tus-Extension"] == "creation,creation-with-upload,checksum,expiration,termination")
    #expect(able.headers["Tus-Checksum-Algorithm"] == "sha1,sha256")
    #expect(able.headers["Tus-Max-Size"] == "\(TestAppliance.fileBytesMax)")
  }

  @Test func onlyAnIngesterSpeaksForOthers() async throws {
    let target = try TestAppliance()
    let id = FileID.random(SystemRandom())
    let fields = [("filename", "a"), ("file_id", id.description), ("uploaded_by", "ivanov")]
    let made = try await Self.begin(target, length: 1, metadata: fields)
    let done = try await Self.piece(target, try #require(made.headers["Location"]), at: 0, [1])
    #expect(done.headers["ArtStore-File-Id"] == "\(id)")
    #expect(try await target.call(.get, "/api/v1/files/\(id)").record().uploadedBy == "ivanov")
    // The id is taken now.
    let again = try await Self.begin(target, length: 1, metadata: fields)
    #expect(try await Self.piece(target, try #require(again.headers["Location"]), at: 0, [2]).status == 409)
    let headers: HeaderFields = [
      "Tus-Resumable": "1.0.0", "Upload-Length": "1", "Upload-Metadata": Self.metadata(fields),
    ]
    #expect(try await target.call(.post, Self.path, headers: headers, peer: .admin).status == 403)
  }
}
