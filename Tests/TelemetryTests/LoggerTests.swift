import Core
import Glibc
import TestKit
import Testing

@testable import Telemetry

@Suite struct LoggerTests {
  let sink = MemorySink()
  let time = ManualTime()

  private func logger(_ format: LogFormat, level: LogLevel = .debug) -> Logger {
    Logger(label: "test", level: level, format: format, sink: sink, time: time)
  }

  private struct Line: Decodable {
    var time: Timestamp
    var level: String
    var logger: String
    var event: String
    var request: String
    var count: Int
    var ok: Bool
    var share: Double
    var odd: String
  }

  @Test func jsonLinesAreJSON() throws {
    let odd = "quote \" back \\ line\nend \u{1} \u{7F} ключ 🗄"
    logger(.json).with(["request": "r-1"]).info(
      "it \"happened\"", ["count": 3, "ok": true, "share": 0.5, "odd": .string(odd)])
    let text = try #require(sink.text.first)
    #expect(text.filter { $0 == "\n" }.count == 1 && text.hasSuffix("\n"))
    let line = try JSON.decode(Line.self, from: Array(text.utf8))
    #expect(line.time == time.now() && line.level == "info" && line.logger == "test")
    #expect(line.event == "it \"happened\"" && line.request == "r-1" && line.count == 3 && line.ok)
    #expect(line.share == 0.5 && line.odd == odd)
  }

  @Test func textLinesCannotBeForged() throws {
    logger(.text).error("event\nforged", ["who": .string("a\nERROR forged\u{1B}[2J\u{9B}31m\r")])
    let text = try #require(sink.text.first)
    #expect(text.unicodeScalars.filter { $0.value < 0x20 || (0x7F...0x9F).contains($0.value) }.count == 1)
    #expect(text.hasPrefix("2026-11-20T14:30:12Z error test: event forged who=a ERROR forged"))
  }

  @Test func quietLevelsCostNothing() {
    let logger = logger(.json, level: .warning)
    func expensive() -> String {
      Issue.record("evaluated although not logged")
      return ""
    }
    logger.debug(expensive())
    logger.info("x", ["y": .string(expensive())])
    logger.notice(expensive())
    #expect(sink.text.isEmpty)
    logger.warning("w")
    logger.error("e")
    #expect(sink.text.count == 2)
  }

  @Test func levelsAreKnownByName() {
    for level in LogLevel.allCases { #expect(LogLevel(level.name) == level) }
    #expect(LogLevel("verbose") == nil)
    #expect(LogLevel.allCases.sorted() == [.debug, .info, .notice, .warning, .error])
  }

  /// Nobody reads the pipe: the writer must neither hang nor tear lines apart, and must say what was lost.
  @Test func aReaderWhoDoesNotReadStopsNobody() throws {
    var ends: [CInt] = [0, 0]
    try #require(pipe(&ends) == 0)
    defer { for end in ends { close(end) } }
    let sink = DescriptorSink(descriptor: ends[1])
    let line = Array((String(repeating: "x", count: 999) + "\n").utf8)
    for _ in 0..<200 { sink.write(line) }
    #expect(sink.dropped > 100)
    let lost = sink.dropped
    var text = drain(ends[0])
    sink.write(Array("after\n".utf8))
    text += drain(ends[0])
    let lines = text.split(separator: "\n")
    #expect(lines.last == "after")
    #expect(lines.dropLast().last?.contains("\"count\":\(lost)}") == true)
    #expect(lines.filter { $0.hasPrefix("x") && $0.count != 999 }.count <= 1)
    #expect(sink.dropped == lost)
  }

  private func drain(_ descriptor: CInt) -> String {
    _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
    var out: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while case let count = read(descriptor, &buffer, buffer.count), count > 0 { out += buffer.prefix(count) }
    return String(decoding: out, as: UTF8.self)
  }
}
