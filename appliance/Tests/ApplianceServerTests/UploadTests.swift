import Core
import Crypto
import HTTP
import HTTPServer
import JWT
import StorageAPI
import Store
import TestKit
import Testing

@Suite struct UploadTests {
  static let path = "/api/v1/files/upload"

  @Test func fieldsMayStandBeforeAndAfterTheFile() async throws {
    let target = try TestAppliance()
    let form = Form(
      fields: [("description", "Договор поставки")], file: ("договор.pdf", Array("hello".utf8)),
      late: [("tags", #"["a","б"]"#), ("ttl_days", "7"), ("metadata", #"{"case":17}"#)])
    let answer = try await target.call(.post, Self.path, headers: form.headers, body: form.bytes)
    #expect(answer.status == 201, "\(answer.text)")
    let record = try answer.record()
    #expect(record.originalFilename == "договор.pdf")
    #expect(record.description == "Договор поставки")
    #expect(record.tags == ["a", "б"])
    #expect(record.ttlDays == 7)
    #expect(record.metadata == ["case": .integer(17)])
    #expect(record.checksum == SHA256.digest(Array("hello".utf8)))
    #expect(Position(cursor: try #require(answer.headers["ArtStore-Position"])) != nil)
    #expect(answer.headers["Location"] == "/api/v1/files/\(record.fileID)")
    #expect(try await target.call(.get, "/api/v1/files/\(record.fileID)").body == answer.body)
  }

  @Test func aLargeDocumentArrivesWhole() async throws {
    let target = try TestAppliance(mode: .rw)
    let bytes = (0..<250_000).map { UInt8(truncatingIfNeeded: $0 * 31 >> 3) }
    let record = try await target.upload(bytes, name: "large.bin").record()
    #expect(record.checksum == SHA256.digest(bytes))
    #expect(record.retentionPolicy == .permanent)
    #expect(try await target.call(.get, "/api/v1/files/\(record.fileID)/download").body == bytes)
  }

  @Test func aRawBodyCarriesItsFieldsInHeaders() async throws {
    let target = try TestAppliance()
    let attributes = #"{"description":"raw","tags":["x"],"ttl_days":3,"metadata":{"k":[1,null]}}"#
    let headers: HeaderFields = [
      "Content-Type": "application/pdf",
      "Content-Disposition": "attachment; filename*=UTF-8''%D0%BE%D1%82%D1%87%D1%91%D1%82.pdf",
      "ArtStore-Attributes": Base64.standard.encode(Array(attributes.utf8)),
      "Repr-Digest": DigestText.of(Array("bytes".utf8)),
    ]
    let answer = try await target.call(.post, Self.path, headers: headers, body: Array("bytes".utf8))
    #expect(answer.status == 201, "\(answer.text)")
    let record = try answer.record()
    #expect(record.originalFilename == "отчёт.pdf")
    #expect(record.contentType == "application/pdf")
    #expect(record.description == "raw" && record.tags == ["x"] && record.ttlDays == 3)
  }

  @Test func onlyAnIngesterSpeaksForOthers() async throws {
    let target = try TestAppliance()
    let id = FileID.random(SystemRandom())
    let fields = [("file_id", id.description), ("uploaded_by", "ivanov")]
    let record = try await target.upload([1], fields: fields).record()
    #expect(record.fileID == id)
    #expect(record.uploadedBy == "ivanov")
    #expect(try await target.upload([1], fields: fields).status == 409)
    for field in fields {
      let answer = try await target.upload([1], fields: [field], peer: .admin)
      #expect(answer.status == 403)
      #expect(answer.error.message.contains(field.0))
    }
  }

  @Test func theUploaderIsThePersonActedFor() async throws {
    let target = try TestAppliance()
    let form = Form(file: ("a.txt", [1]))
    let token = try target.token([.filesWrite], actsFor: "petrova")
    let answer = try await target.call(.post, Self.path, headers: form.headers, body: form.bytes, token: token)
    #expect(try answer.record().uploadedBy == "petrova")
  }

  @Test func declaredDigestsAreVerified() async throws {
    let target = try TestAppliance()
    let body = Array("content".utf8)
    func send(_ header: String) async throws -> Answer {
      let form = Form(file: ("a.txt", body), partHeaders: "Content-Digest: \(header)\r\n")
      return try await target.call(.post, Self.path, headers: form.headers, body: form.bytes)
    }
    #expect(try await send(DigestText.of(body)).status == 201)
    #expect(try await send("sha-512=:AA==:, " + DigestText.of(body)).status == 201)
    let wrong = try await send(DigestText.of([0]))
    #expect(wrong.status == 422)
    #expect(wrong.error.code == "CHECKSUM_MISMATCH")
    #expect(try await send("sha-256=:AAAA:").error.message.contains("Content-Digest"))
    #expect(try await send("sha-256=zzz").status == 400)
    try expectNothingLeft(in: target, documents: 2)
  }

  static let badFields: [(String, String)] = [
    ("description", String(repeating: "x", count: 1001)), ("description", "bell\u{7}"),
    ("tags", "not json"), ("tags", #"{"a":1}"#), ("tags", #"["a","a"]"#), ("tags", #"[""]"#), ("tags", "[1]"),
    ("ttl_days", "0"), ("ttl_days", "366"), ("ttl_days", "-1"), ("ttl_days", "soon"), ("ttl_days", "1.5"),
    ("metadata", "[]"), ("metadata", "{"), ("metadata", #"{"a":[[[[[[[[[1]]]]]]]]]}"#),
    ("metadata", #"{"a":"\#(String(repeating: "x", count: 5000))"}"#),
    ("retention_policy", "forever"), ("retention_policy", "permanent"), ("file_id", "17"),
    ("uploaded_by", String(repeating: "x", count: 201)), ("descripton", "a typing error"),
  ]

  @Test(arguments: badFields)
  func aBadFieldIsNamed(_ field: (name: String, value: String)) async throws {
    let target = try TestAppliance()
    for form in [
      Form(fields: [field], file: ("a.txt", [1, 2, 3])), Form(file: ("a.txt", [1, 2, 3]), late: [field]),
    ] {
      let answer = try await target.call(.post, Self.path, headers: form.headers, body: form.bytes)
      #expect(answer.status == 400 || answer.status == 409, "\(field.name): \(answer.text)")
      #expect(answer.error.message.contains(field.name), "\(field.name): \(answer.text)")
    }
    try expectNothingLeft(in: target)
  }

  static let badNames = [
    "../../etc/passwd", "a/b.txt", "a\\\\b.txt", "..", ".", "", "a\u{0}b", "a\u{1B}[2J", "a\u{202E}gpj.exe",
    String(repeating: "я", count: 256), String(repeating: "x", count: 300),
  ]

  @Test(arguments: badNames)
  func aBadNameIsRefused(_ name: String) async throws {
    let target = try TestAppliance()
    let answer = try await target.upload([1], name: name)
    #expect(answer.status == 400, "\(answer.status): \(answer.text)")
    try expectNothingLeft(in: target)
  }

  @Test func brokenForms() async throws {
    let target = try TestAppliance()
    let good = Form(file: ("a.txt", [1]))
    func send(_ body: [UInt8], type: String = good.headers["Content-Type"] ?? "") async throws -> Answer {
      try await target.call(.post, Self.path, headers: ["Content-Type": type], body: body)
    }
    #expect(try await send(Form(fields: [("description", "x")]).bytes).error.message.contains("file"))
    #expect(try await send(Array(good.bytes.dropLast(30))).status == 400, "cut off")
    #expect(try await send(Array("rubbish".utf8)).status == 400)
    #expect(try await send(good.bytes, type: "multipart/form-data").status == 400, "no boundary")
    #expect(try await send(good.bytes, type: "multipart/mixed; boundary=x").status == 415)
    #expect(try await send([1], type: "text/plain").error.message.contains("Content-Disposition"))
    var twice = good
    twice.fields = [("description", "a"), ("description", "b")]
    #expect(try await send(twice.bytes).error.message.contains("description"))
    try expectNothingLeft(in: target)
  }

  @Test func sizeModeAndRoomAreLimits() async throws {
    let target = try TestAppliance()
    let large = [UInt8](repeating: 7, count: TestAppliance.fileBytesMax + 1)
    let answer = try await target.upload(large)
    #expect(answer.status == 413 && answer.error.code == "FILE_TOO_LARGE")
    try expectNothingLeft(in: target)

    let readOnly = try TestAppliance(mode: .rw)
    _ = try await readOnly.store.transition(to: .ro, confirm: false, by: Actor("test"))
    #expect(try await readOnly.upload([1]).error.code == "MODE_NOT_ALLOWED")

    let full = try TestAppliance(capacity: 200_000)
    #expect(try await full.upload([UInt8](repeating: 1, count: 150_000)).status == 201)
    let refused = try await full.upload([UInt8](repeating: 1, count: 150_000))
    #expect(refused.status == 507 && refused.error.code == "STORAGE_FULL", "\(refused.text)")
    try expectNothingLeft(in: full, documents: 1)
  }

  private func expectNothingLeft(in target: TestAppliance, documents: Int = 0) throws {
    target.store.flush()
    #expect(try target.documents(in: "staging") == [])
    #expect(try target.documents(in: "files").count == documents)
  }
}

enum DigestText {
  static func of(_ bytes: [UInt8]) -> String { "sha-256=:\(Base64.standard.encode(SHA256.digest(bytes).bytes)):" }
}
