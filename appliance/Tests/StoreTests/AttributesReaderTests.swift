import Core
import StorageAPI
import Testing

@testable import Store

/// The quick reader and the general decoder never disagree, and what the store writes is read quickly.
@Suite struct AttributesReaderTests {
  @Test func whatIsWrittenWithoutEscapesIsReadQuicklyAndTheSame() throws {
    var random = SimulationRandom(seed: 17)
    var quick = 0
    for _ in 0..<3000 {
      let written = Self.attributes(&random)
      let bytes = written.encoded
      let slow = try Attributes.decoded(bytes)
      #expect(slow.record == written.record && slow.path == written.path)
      guard let (fast, members) = AttributesReader.read(bytes) else {
        // An escape, a client's own object that is more than a list of plain values, a number of 19 digits.
        let isLong = max(written.epoch, written.lsn) >= 1_000_000_000_000_000_000
        #expect(bytes.contains(UInt8(ascii: "\\")) || written.record.metadata != nil || isLong)
        continue
      }
      quick += 1
      #expect(fast.record == slow.record && fast.path == slow.path && fast.epoch == slow.epoch && fast.lsn == slow.lsn)
      #expect([UInt8(ascii: "{")] + bytes[members...] == slow.record.json)
    }
    #expect(quick > 800)
  }

  @Test func whatIsReadQuicklyTheDecoderReadsTheSameWhateverWasChanged() throws {
    var random = SimulationRandom(seed: 18)
    var quick = 0
    for _ in 0..<12_000 {
      var bytes = Self.attributes(&random).encoded
      for _ in 0...random.below(2) { Self.change(&bytes, &random) }
      guard let (fast, members) = AttributesReader.read(bytes) else { continue }
      quick += 1
      let slow = try Attributes.decoded(bytes)
      let same =
        fast.record == slow.record && fast.path == slow.path && fast.epoch == slow.epoch && fast.lsn == slow.lsn
        && [UInt8(ascii: "{")] + bytes[members...] == slow.record.json
      #expect(same, "\(String(decoding: bytes, as: UTF8.self))")
    }
    #expect(quick > 300)
  }

  @Test(arguments: [
    #""lsn":42"#: #""lsn":042"#, #""size":5"#: #""size":5.0"#, #""epoch":7"#: #""epoch":-7"#,
    #""version":1"#: #""version":2"#, #""status":"active""#: #""status":"ACTIVE""#,
    "2026-11-20T14:30:12Z": "2026-11-20t14:30:12Z", "files/2026": "files/../etc", "0e2b1a4c": "0E2B1A4C",
    "report.pdf": #"report\u002epdf"#, #","tags":[]"#: #", "tags":[]"#, #""ttl_days":null"#: #""ttl_days":30,"x":1"#,
  ])
  func anythingUnusualIsLeftToTheDecoder(_ usual: String, _ other: String) throws {
    let plain = Self.plain
    let text = String(decoding: plain, as: UTF8.self)
    #expect(AttributesReader.read(plain) != nil)
    #expect(text.contains(usual))
    #expect(AttributesReader.read(Array(text.replacing(usual, with: other).utf8)) == nil)
  }

  @Test func whatIsTooLongOrNotUTF8IsLeftToTheDecoder() {
    var bytes = Self.plain
    let place = bytes.firstRange(of: Array("report".utf8))!.lowerBound
    bytes[place] = 0xFF
    #expect(AttributesReader.read(bytes) == nil)
    bytes = Self.plain
    bytes.insert(contentsOf: [UInt8](repeating: 0x61, count: Attributes.bytesMax), at: place)
    #expect(AttributesReader.read(bytes) == nil)
    for count in Self.plain.indices { #expect(AttributesReader.read(Array(Self.plain[..<count])) == nil) }
  }

  private static var plain: [UInt8] {
    Attributes(
      record: FileRecord(
        fileID: FileID("0e2b1a4c-1111-4222-8333-444455556666")!, originalFilename: "report.pdf",
        contentType: "application/pdf", size: 5, checksum: Checksum(bytes: [UInt8](repeating: 0xAB, count: 32))!,
        uploadedBy: "sa_1", uploadedAt: Timestamp("2026-11-20T14:30:12Z")!, retentionPolicy: .permanent),
      path: "files/2026/11/20/14/report.pdf", epoch: 7, lsn: 42
    ).encoded
  }

  private static func attributes(_ random: inout SimulationRandom) -> Attributes {
    let texts = ["отчёт.pdf", "a b.txt", "", "日本", "x\"y", "tab\t", "é", "e\u{301}", "a/b", "\u{7F}", "null", "}],{"]
    var record = FileRecord(
      fileID: FileID(high: random.next(), low: random.next()), originalFilename: texts[random.below(texts.count)],
      contentType: "application/pdf", size: random.below(1 << 40),
      checksum: Checksum(bytes: random.bytes(32))!, uploadedBy: texts[random.below(4)],
      uploadedAt: Timestamp(microseconds: Int64(random.below(4_000_000_000_000_000))),
      status: FileStatus.allCases[random.below(3)], retentionPolicy: RetentionPolicy.allCases[random.below(2)])
    if random.percent(50) { record.description = texts[random.below(texts.count)] }
    record.tags = (0..<random.below(4)).map { _ in texts[random.below(texts.count)] }
    if random.percent(40) { record.ttlDays = 1 + random.below(365) }
    if random.percent(40) { record.expiresAt = Timestamp(seconds: Int64(random.below(4_000_000_000))) }
    if random.percent(30) {
      let values: [JSONValue] = [
        .null, .bool(true), .integer(7), .integer(-7), .integer(.max), .number(1.5), .string("v"), .array([.null]),
        .object(["a": .bool(false)]), .string("кот"),
      ]
      var metadata: [String: JSONValue] = [:]
      for _ in 0..<random.below(4) {
        metadata[["a", "b", "project", "ключ", "a\"b", ""][random.below(6)]] = values[random.below(values.count)]
      }
      record.metadata = metadata
    }
    return Attributes(
      record: record, path: "files/2026/11/20/14/\(random.below(1000))_\(texts[random.below(3)])",
      epoch: random.next() >> UInt64(random.below(64)), lsn: random.next() >> UInt64(random.below(64)))
  }

  /// One byte changed, lost, doubled or made another of those that mean something.
  private static func change(_ bytes: inout [UInt8], _ random: inout SimulationRandom) {
    let place = random.below(bytes.count)
    switch random.below(4) {
    case 0: bytes[place] = UInt8(truncatingIfNeeded: random.next())
    case 1: bytes.remove(at: place)
    case 2: bytes.insert(bytes[place], at: place)
    default: bytes[place] = Array("0123456789aF\"{}[],:\\ TZ.-n".utf8)[random.below(26)]
    }
  }
}
