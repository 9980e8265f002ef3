import Core
import StorageAPI
import TestKit
import Testing

@Suite struct FileRecordTests {
  private func record(_ seed: TestSeed) -> FileRecord {
    let time = Timestamp(seconds: 1_795_185_012 + Int64(seed.below(1_000_000)))
    return FileRecord(
      fileID: .random(seed.random), originalFilename: seed.oneIn(2) ? "отчёт \"№ 7\".pdf" : "a.txt",
      contentType: "application/pdf", size: seed.below(1 << 40),
      checksum: Checksum(bytes: seed.random.bytes(32))!, uploadedBy: "sa_\(seed.below(100))", uploadedAt: time,
      status: FileStatus.allCases[seed.below(3)], retentionPolicy: RetentionPolicy.allCases[seed.below(2)],
      description: seed.oneIn(2) ? nil : "line\nline\t\u{1}", tags: (0..<seed.below(4)).map { "tag \($0)" },
      ttlDays: seed.oneIn(2) ? nil : 1 + seed.below(365), expiresAt: seed.oneIn(2) ? nil : time + .seconds(86_400),
      metadata: seed.oneIn(2) ? nil : ["k": .array([.integer(1), .null, .object(["n": .number(0.5)])])])
  }

  @Test func theWriterAndCodableAgree() throws {
    let seed = TestSeed()
    for _ in 0..<200 {
      let record = record(seed)
      #expect(try JSON.decode(FileRecord.self, from: record.json) == record, "\(seed)")
      #expect(try JSON.decode(FileRecord.self, from: JSON.encode(record)) == record, "\(seed)")
    }
  }

  /// The contract's names: clients rely on them.
  @Test func theContractsMembers() throws {
    var record = record(TestSeed())
    record.description = "d"
    record.metadata = [:]
    guard case .object(let members) = try JSON.decode(JSONValue.self, from: record.json) else {
      Issue.record("no object")
      return
    }
    #expect(
      Set(members.keys) == [
        "file_id", "original_filename", "content_type", "size", "checksum", "uploaded_by", "uploaded_at", "status",
        "retention_policy", "description", "tags", "ttl_days", "expires_at", "metadata",
      ])
    #expect(String(decoding: record.json.prefix(12), as: UTF8.self) == #"{"file_id":""#)
  }

  @Test func whatMayBeLeftOutMay() throws {
    let text =
      #"{"file_id":"f81d4fae-7dec-11d0-a765-00a0c91e6bf6","original_filename":"a","content_type":"x/y","size":1,"#
      + #""checksum":"\#(String(repeating: "0", count: 64))","uploaded_by":"u","uploaded_at":"2026-11-20T14:30:12Z","#
      + #""status":"active","retention_policy":"permanent","from_the_future":1}"#
    let record = try JSON.decode(FileRecord.self, from: Array(text.utf8))
    #expect(record.tags == [] && record.ttlDays == nil && record.metadata == nil)
  }

  @Test func modesAllowWhatTheContractSays() {
    #expect(ApplianceMode.edit.allowedOperations == ["upload", "download", "update", "delete", "list"])
    #expect(ApplianceMode.rw.allowedOperations == ["upload", "download", "update", "list"])
    #expect(ApplianceMode.ro.allowedOperations == ["download", "list"])
    #expect(ApplianceMode.ar.allowedOperations == ["list"])
    #expect(ApplianceMode.allCases.filter { $0.allows(.delete) } == [.edit])
    #expect(ApplianceMode.edit.retentionPolicy == .temporary && ApplianceMode.rw.retentionPolicy == .permanent)
  }

  @Test func theTableOfTransitions() {
    var allowed: [String: ModeTransition] = [:]
    for from in ApplianceMode.allCases {
      for to in ApplianceMode.allCases where from.transition(to: to) != .refused {
        allowed["\(from) → \(to)"] = from.transition(to: to)
      }
    }
    #expect(allowed == ["rw → ro": .allowed, "ro → rw": .needsConfirmation, "ro → ar": .needsConfirmation])
  }
}
