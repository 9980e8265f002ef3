import Core
import Glibc
import TestKit
import Testing

@Suite struct TimestampTests {
  @Test(
    arguments: [
      ("1970-01-01T00:00:00Z", 0), ("2026-11-20T14:30:12Z", 1_795_185_012), ("1969-12-31T23:59:59Z", -1),
      ("2000-02-29T12:00:00Z", 951_825_600), ("0000-01-01T00:00:00Z", -62_167_219_200),
      ("9999-12-31T23:59:59Z", 253_402_300_799), ("1900-03-01T00:00:00Z", -2_203_891_200),
    ] as [(String, Int64)])
  func secondsBothWays(_ text: String, _ seconds: Int64) throws {
    #expect(try #require(Timestamp(text)).seconds == seconds)
    #expect(Timestamp(seconds: seconds).description == text)
  }

  @Test(arguments: [
    ("2026-11-20t14:30:12z", "2026-11-20T14:30:12Z"), ("2026-11-20T14:30:12+00:00", "2026-11-20T14:30:12Z"),
    ("2026-11-20T14:30:12+03:00", "2026-11-20T11:30:12Z"), ("2026-01-01T00:30:00+01:00", "2025-12-31T23:30:00Z"),
    ("2026-11-20T14:30:12-05:30", "2026-11-20T20:00:12Z"), ("2026-11-20T14:30:12.5Z", "2026-11-20T14:30:12.500Z"),
    ("2026-11-20T14:30:12.123456789Z", "2026-11-20T14:30:12.123456Z"),
  ])
  func otherFormsAreRead(_ text: String, _ expected: String) throws {
    #expect(try #require(Timestamp(text)).description == expected)
  }

  @Test(arguments: [
    "", "2026-11-20", "2026-11-20T14:30:12", "2026-11-20T14:30Z", "2026-13-01T00:00:00Z", "2026-02-29T00:00:00Z",
    "2100-02-29T00:00:00Z", "2026-00-01T00:00:00Z", "2026-01-00T00:00:00Z", "2026-11-20T24:00:00Z",
    "2026-11-20T14:60:00Z", "2026-11-20T14:30:60Z", "2026-11-20T14:30:12.Z", "2026-11-20T14:30:12.1234567890Z",
    "2026-11-20T14:30:12+24:00", "2026-11-20T14:30:12+0300", "2026-11-20 14:30:12Z", " 2026-11-20T14:30:12Z",
    "2026-11-20T14:30:12Z ", "2026-11-20T14:30:12ZZ", "+026-11-20T14:30:12Z", "2026\r11\r20T14\u{1A}30\u{1A}12Z",
    "2026-11-20\u{34}14:30:12\u{1A}", "0000-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00",
  ])
  func whatIsNoTimeIsRefused(_ text: String) { #expect(Timestamp(text) == nil) }

  @Test func agreesWithTheCLibrary() throws {
    let seed = TestSeed()
    for _ in 0..<2000 {
      let seconds = Int64(bitPattern: seed.random.uint64()) % 200_000_000_000
      var (time, civil) = (time_t(seconds), tm())
      gmtime_r(&time, &civil)
      guard (0...9999).contains(civil.tm_year + 1900) else { continue }
      let ours = CivilTime(Timestamp(seconds: seconds))
      #expect(ours.year == Int(civil.tm_year) + 1900 && ours.month == Int(civil.tm_mon) + 1, "\(seed)")
      #expect(ours.day == Int(civil.tm_mday) && ours.hour == Int(civil.tm_hour), "\(seed)")
      #expect(ours.minute == Int(civil.tm_min) && ours.second == Int(civil.tm_sec), "\(seed)")
    }
  }

  @Test func everyTimeSurvivesItsText() throws {
    let seed = TestSeed()
    for _ in 0..<2000 {
      let span = UInt64(Timestamp.latest.microseconds - Timestamp.earliest.microseconds)
      let time = Timestamp(microseconds: Timestamp.earliest.microseconds + Int64(seed.random.uint64() % span))
      #expect(Timestamp(time.description) == time, "\(time.microseconds) \(seed)")
    }
  }

  @Test func timesBeyondTheCalendarAreShownAsItsEnds() {
    #expect(Timestamp(microseconds: .min).description == "0000-01-01T00:00:00Z")
    #expect(Timestamp(microseconds: .max).description == "9999-12-31T23:59:59.999999Z")
  }

  @Test func arithmetic() throws {
    let time = Timestamp(seconds: 100)
    #expect((time + .milliseconds(1500)).microseconds == 101_500_000)
    #expect((time - .seconds(101)).seconds == -1)
    #expect((time + .seconds(5)).since(time) == .seconds(5))
    #expect(Timestamp(microseconds: -1).seconds == -1)
    #expect(Duration.milliseconds(1500).inSeconds == 1.5)
  }
}
