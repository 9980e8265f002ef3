import Core
import HTTP
import HTTPServer
import StorageAPI
import Testing

/// The less common forms of a download, over the whole route.
@Suite struct DownloadFormTests {
  private func target(name: String = "a.bin") async throws -> (TestAppliance, String, FileRecord) {
    let target = try TestAppliance(mode: .rw)
    let record = try await target.upload(DownloadTests.bytes, name: name).record()
    return (target, "/api/v1/files/\(record.fileID)/download", record)
  }

  @Test func rangesAreCoalescedAndCapped() async throws {
    let (target, path, _) = try await target()
    func ask(_ ranges: String) async throws -> Answer {
      try await target.call(.get, path, headers: ["Range": "bytes=\(ranges)"])
    }
    // Overlapping, touching and near ones are one, in whatever order.
    for ranges in ["0-99,50-199", "100-199,0-99", "0-9,20-199", "0-199,0-199,0-199"] {
      let answer = try await ask(ranges)
      #expect(answer.status == 206)
      #expect(answer.headers["Content-Range"] == "bytes 0-199/100000", "\(ranges)")
      #expect(answer.body == Array(DownloadTests.bytes[..<200]))
    }
    func list(_ count: Int) -> String { (0..<count).map { "\($0 * 1000)-\($0 * 1000)" }.joined(separator: ",") }
    let most = try await ask(list(16))
    #expect(most.status == 206 && most.headers["Content-Type"]?.hasPrefix("multipart/byteranges") == true)
    // More parts than that, or more specifications than anyone needs: the whole document (RFC 9110 §14.2).
    #expect(try await ask(list(17)).status == 200)
    #expect(try await ask((0..<65).map { _ in "0-0" }.joined(separator: ",")).status == 200)
    // One that cannot be satisfied beside one that can is left out.
    let partly = try await ask("200000-,0-0")
    #expect(partly.status == 206 && partly.body == [DownloadTests.bytes[0]])
  }

  @Test func everyAnswerCarriesTheValidators() async throws {
    let (target, path, record) = try await target()
    let tag = "\"\(record.checksum)\""
    let digest = DigestText.of(DownloadTests.bytes)
    let requests: [(HeaderFields, Int)] = [
      ([:], 200), (["Range": "bytes=5-9"], 206), (["Range": "bytes=0-0,5000-5001"], 206), (["If-None-Match": tag], 304),
    ]
    for (headers, status) in requests {
      for method in [HTTPMethod.get, .head] {
        let answer = try await target.call(method, path, headers: headers)
        // Ranges are for GET alone (RFC 9110 §14.2).
        #expect(answer.status == (method == .head && status == 206 ? 200 : status))
        #expect(answer.headers["ETag"] == tag)
        #expect(answer.headers["Last-Modified"] == HTTPDate.format(record.uploadedAt))
        #expect(answer.headers["Accept-Ranges"] == "bytes")
        // Of the whole representation, whatever part of it is sent (RFC 9530 §3).
        #expect(answer.headers["Repr-Digest"] == digest)
        #expect(answer.body.isEmpty || method == .get)
      }
    }
  }

  @Test func conditionsInAllTheirForms() async throws {
    let (target, path, record) = try await target()
    let tag = "\"\(record.checksum)\""
    let (then, before, after) = (
      HTTPDate.format(record.uploadedAt), HTTPDate.format(record.uploadedAt - .seconds(60)),
      HTTPDate.format(record.uploadedAt + .seconds(60))
    )
    let cases: [(HeaderFields, Int)] = [
      (["If-Match": "*"], 200), (["If-Match": "\"x\", \(tag)"], 200), (["If-Match": "\"x\", \"y\""], 412),
      (["If-None-Match": "\"x\", W/\(tag)"], 304), (["If-Modified-Since": before], 200),
      (["If-Modified-Since": after], 304), (["If-Modified-Since": "yesterday"], 200),
      (["If-None-Match": "\"x\"", "If-Modified-Since": after], 200),
      (["If-Unmodified-Since": then], 200), (["If-Unmodified-Since": after], 200),
      (["If-Match": tag, "If-Unmodified-Since": before], 200), (["If-Match": tag, "If-None-Match": tag], 304),
      (["Range": "bytes=0-9", "If-Range": then], 206), (["Range": "bytes=0-9", "If-Range": before], 200),
      (["Range": "bytes=0-9", "If-Range": "nonsense"], 200),
      (["Range": "bytes=200000-", "If-Range": "\"x\""], 200), (["Range": "bytes=200000-", "If-Range": tag], 416),
      (["Range": "bytes=0-9", "If-None-Match": tag], 304),
    ]
    for (headers, status) in cases {
      #expect(try await target.call(.get, path, headers: headers).status == status, "\(headers.fields)")
    }
    for (headers, status) in [(["If-None-Match": tag], 304), (["If-Match": "\"x\""], 412)] as [(HeaderFields, Int)] {
      #expect(try await target.call(.head, path, headers: headers).status == status)
    }
  }

  @Test(arguments: [
    "plain.txt", "with space.txt", "кавычки «и» пробел.txt", "100%.txt", "semi;colon,comma.txt", "日本語.pdf",
    "it's.txt", "e\u{301}.txt", "🙂.bin",
  ])
  func aNameInAnyScriptComesBack(_ name: String) async throws {
    let (target, path, _) = try await target(name: name)
    let field = try #require(try await target.call(.get, path).headers["Content-Disposition"])
    #expect(ContentDisposition.parse(field)?.filename == name, "\(field)")
    #expect(field.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F }, "\(field)")
    // RFC 8187 §3.2.1: what is not an attr-char is percent-encoded.
    if let extended = field.split(separator: "filename*=UTF-8''").dropFirst().first {
      let allowed = Set("!#$&+-.^_`|~%".utf8)
      #expect(extended.utf8.allSatisfy { allowed.contains($0) || ($0 as UInt8).isAlphanumeric }, "\(extended)")
    }
  }
}

extension UInt8 {
  fileprivate var isAlphanumeric: Bool {
    (0x30...0x39).contains(self) || (0x41...0x5A).contains(self) || (0x61...0x7A).contains(self)
  }
}
