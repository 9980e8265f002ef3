import Catalogue
import Core
import StorageAPI
import Testing

@testable import Fleet

/// Pages as a broken or hostile appliance may send them.
@Suite struct SyncPageTests {
  static let end = #"{"cursor":"\#(position.cursor)","more":false}"#
  static let position = Position(epoch: 3, generation: 1, incarnation: 9, lsn: 44)

  /// A good line; `replacing` spoils one member.
  static func put(
    _ id: FileID = .random(SystemRandom()), lsn: Int = 7, replacing: (String, String) = ("", ""),
    name: String = "a.txt"
  ) -> String {
    let line = """
      {"op":"put","lsn":\(lsn),"record":{"file_id":"\(id)","original_filename":"\(name)","content_type":"text/plain",\
      "size":3,"checksum":"\(String(repeating: "ab", count: 32))",\
      "uploaded_by":"sa","uploaded_at":"2026-11-20T10:00:00Z",\
      "status":"active","retention_policy":"permanent","tags":[],"ttl_days":null,"expires_at":null,"metadata":{}}}
      """
    return replacing.0.isEmpty ? line : line.replacing(replacing.0, with: replacing.1)
  }

  /// Fed in pieces of `step` bytes.
  static func read(
    _ text: String, linesMax: Int = 100, step: Int = 7, scope: SyncPage.Scope = .feed
  ) throws -> SyncPage {
    var page = SyncPage(linesMax: linesMax, scope: scope)
    var splitter = LineSplitter(lineBytesMax: SyncPage.lineBytesMax)
    let bytes = Array(text.utf8)
    for start in stride(from: 0, to: bytes.count, by: step) {
      try splitter.feed(bytes[start..<min(start + step, bytes.count)], into: &page)
    }
    try splitter.finish(into: &page)
    return page
  }

  /// The columns of the rows as COPY gets them.
  static func columns(_ page: SyncPage, _ column: Int) -> [String] {
    var page = page
    return String(decoding: page.takeText(), as: UTF8.self).split(separator: "\n").map {
      String($0.split(separator: "\t", omittingEmptySubsequences: false)[column])
    }
  }

  @Test(arguments: [1, 7, 1000, 100_000]) func aGoodPage(step: Int) throws {
    let id = FileID.random(SystemRandom())
    let text = "\(Self.put())\n\n\(#"{"op":"delete","lsn":9,"file_id":"\#(id)"}"#)\r\n\(Self.end)\n"
    let page = try Self.read(text, step: step)
    #expect(Self.columns(page, 0) == ["0", "1"])
    #expect(Self.columns(page, 1) == ["f", "t"])
    #expect(Self.columns(page, 2) == ["7", "9"])
    #expect(Self.columns(page, 3).last == id.description)
    #expect(page.highestLSN == 9)
    #expect(page.rejected == 0)
    #expect(page.closing == SyncPage.Closing(cursor: Self.position.cursor, position: Self.position, more: false))
  }

  @Test(arguments: [
    "not json", "[]", "42", "{}", #"{"op":"put"}"#, #"{"op":"put","lsn":"7","record":{}}"#, #"{"op":"drop","lsn":1}"#,
    #"{"op":"delete","lsn":1,"file_id":"../../etc"}"#, #"{"op":"delete","lsn":1e99,"file_id":null}"#,
    #"{"op":"put","lsn":-5,"record":{}}"#, put(replacing: (#""size":3"#, #""size":-1"#)),
    put(replacing: (#""size":3"#, #""size":"many""#)),
    put(replacing: ("{}", #"{"a":"\u0000"}"#)), put(replacing: ("null,\"exp", "99999999999,\"exp")),
    put(name: "../../x"),
    put(name: ""), put(name: String(repeating: "n", count: 5000)), put(replacing: ("[]", "\"x\"")),
    put(replacing: ("2026-11-20T10:00:00Z", "yesterday")), put(replacing: ("abab", "zz")), "\u{FEFF}{}",
    "{\"op\":\"put\",\"lsn\":1,\"record\":" + String(repeating: "[", count: 400) + "}",
  ])
  func aBadLineIsLeftOutAndTheRestKept(line: String) throws {
    let page = try Self.read("\(Self.put())\n\(line)\n\(Self.put())\n\(Self.end)\n")
    #expect(page.rows == 2)
    #expect(page.rejected == 1)
    #expect(page.complaints.count == 1)
    #expect(page.closing != nil)
  }

  @Test func anOverlongLineCostsNoMemoryAndIsRejected() throws {
    let long = String(repeating: "x", count: SyncPage.lineBytesMax * 3)
    let page = try Self.read("\(Self.put())\n\(long)\n\(Self.put())\n\(Self.end)\n", step: 1000)
    #expect(page.rows == 2)
    #expect(page.rejected == 1)
  }

  @Test func withoutItsClosingLineAPageIsVoid() throws {
    #expect(try Self.read("\(Self.put())\n").closing == nil)
    // Cut in the middle of the closing line.
    let cut = try Self.read("\(Self.put())\n\(Self.end.dropLast(4))")
    #expect(cut.closing == nil)
  }

  @Test func linesBehindTheEndAndTooManyLinesVoidThePage() {
    #expect(throws: SyncPageError.afterTheEnd) { try Self.read("\(Self.end)\n\(Self.put())\n") }
    #expect(throws: SyncPageError.afterTheEnd) { try Self.read("\(Self.end)\n\(Self.end)\n") }
    #expect(throws: SyncPageError.tooManyLines(3)) {
      try Self.read(String(repeating: Self.put() + "\n", count: 5), linesMax: 3)
    }
    #expect(throws: SyncPageError.badClosing) { try Self.read(#"{"cursor":"!!","more":false}"# + "\n") }
  }

  @Test func aListingHoldsIDsOfItsRangeOnlyEachAboveTheOneBefore() throws {
    let (low, middle, high) = (FileID(high: 1, low: 0), FileID(high: 5, low: 0), FileID(high: 9, low: 0))
    let scope = SyncPage.Scope.listing(after: low, through: middle)
    let text = [low, middle, middle, high].map { Self.put($0) + "\n" }.joined() + Self.end + "\n"
    let page = try Self.read(text, scope: scope)
    #expect(Self.columns(page, 3) == [middle.description])
    #expect(page.rejected == 3)
    #expect(page.lastID == middle)
    let gone = #"{"op":"delete","lsn":9,"file_id":"\#(middle)"}"#
    #expect(try Self.read("\(gone)\n\(Self.end)\n", scope: scope).rejected == 1)
    // What was refused was listed all the same: a range goes on behind it.
    let refused = try Self.read(Self.put(middle, name: "../x") + "\n\(Self.end)\n", scope: scope)
    #expect((refused.rows, refused.rejected, refused.lastID) == (0, 1, middle))
  }

  @Test func duplicateIDsInAFeedAreKeptForTheCatalogueToOrder() throws {
    let id = FileID(high: 5, low: 0)
    let page = try Self.read("\(Self.put(id, lsn: 3))\n\(Self.put(id, lsn: 8))\n\(Self.end)\n")
    #expect(Self.columns(page, 2) == ["3", "8"])
    #expect(page.hasRepeatedIDs)
  }

  /// The quick look and the decoder agree: what the first takes, the second takes too, as the same row.
  @Test func theQuickLookTakesWhatTheDecoderTakes() throws {
    let random = SeededRandom(seed: 11)
    let names = ["a.txt", "Отчёт № 7.pdf", "ещё.doc", "x\u{301}.txt", ".hidden", "a b (2).tar.gz", "q\"uote", "日本"]
    var plain = 0
    for number in 0..<400 {
      var record = FakeAppliance.record(name: names[number % names.count], size: number * number)
      record.description = [nil, "", "Договор поставки", "line\nbreak", "<b>&amp;"][number % 5]
      record.tags = [[], ["a"], ["счёт", "2026"], ["a", "b", "c,d"]][number % 4]
      record.metadata =
        [nil, [:], ["case": .integer(-17), "имя": .string("стр")], ["deep": .array([.null])]][number / 4 % 4]
      record.ttlDays = [nil, 1, 365][number % 3]
      record.expiresAt = number % 3 == 0 ? nil : Timestamp(seconds: 1_790_000_000 + Int64(number) * 86_400)
      record.uploadedAt = Timestamp(microseconds: 1_790_000_000_000_000 + Int64(number) * 86_399_999_001)
      let line = Array(#"{"op":"put","lsn":\#(number),"record":"#.utf8) + record.json + [UInt8(ascii: "}")]
      if case .plain(let row) = SyncLine(line[...]) {
        plain += 1
        #expect(row.fileID == record.fileID && row.lsn == Int64(number))
        #expect(row.record.map(Array.init) == record.json)
      }
      // Spoiled in one place, the quick look never takes what is no JSON.
      var spoiled = line
      let place = Int(random.uint64() % UInt64(line.count))
      spoiled[place] = UInt8(truncatingIfNeeded: random.uint64())
      if case .plain(let row) = SyncLine(spoiled[...]), let bytes = row.record {
        #expect(throws: Never.self) { _ = try JSON.decode(FileRecord.self, from: bytes) }
      }
      var page = SyncPage(linesMax: 10)
      try page.take(line[...])
      #expect(page.rows == 1, "\(String(decoding: line, as: UTF8.self)) \(page.complaints)")
    }
    #expect(plain > 90)
  }

  @Test(arguments: [
    ("https://ship-7.example:8010", "https://ship-7.example:8010", "ship-7.example"),
    ("HTTPS://Ship-7.example/", "https://ship-7.example", "ship-7.example"),
    ("https://[::1]:9", "https://[::1]:9", "::1"),
  ])
  func applianceAddresses(text: String, url: String, host: String) throws {
    let address = try ApplianceURL(text)
    #expect(address.text == url)
    #expect(address.host == host)
  }

  @Test(arguments: [
    "http://a:1", "https://", "https://a:0", "https://a:99999", "https://u@a", "https://a/b", "https://a?x",
    "file:///etc",
    "https://a b", "https://[::1", "https://:8010", "https://a:80:80", "",
  ])
  func badAddresses(text: String) {
    #expect(throws: (any Error).self) { try ApplianceURL(text) }
  }
}
