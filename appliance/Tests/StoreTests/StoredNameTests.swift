import Core
import Testing

@testable import Store

@Suite struct StoredNameTests {
  @Test(arguments: [
    ("report", "report"), ("a  b", "a-b"), ("..a..", "a"), ("--", "-"), ("", "-"), ("a\r\nb", "a-b"), ("a_b", "a-b"),
    ("-.x.-", "x"), ("naïve", "naïve"), ("отчёт 1", "отчёт-1"), ("e\u{301}t", "e\u{301}t"), ("a/b\\c", "a-b-c"),
  ])
  func whatIsKeptOfAName(_ given: String, _ kept: String) {
    #expect(StoredName.sanitised(given, bytesMax: 100) == kept)
  }

  /// ASCII goes another way than the rest: both cut at the same place and leave the same edge.
  @Test func bothWaysCutAlike() {
    for text in ["abcdefghij", "abcd efghij", "abcde fghij", "abc--..efgh", "a.b.c.d.e.f"] {
      let plain = StoredName.sanitised(text, bytesMax: 6)
      // The letter is beyond the cut; it only sends the text the other way.
      #expect(plain == StoredName.sanitised(text + "zzzzzzzzé", bytesMax: 6), "\(text)")
    }
  }

  @Test func anHourWithManyDocumentsGoesOnInDirectoriesBelowIt() {
    let directories = HourDirectories(documentsMax: 2)
    let hour = Timestamp(seconds: 7200)
    #expect((0..<5).map { _ in directories.next(at: hour) } == [0, 0, 1, 1, 2])
    let next = Timestamp(seconds: 10_800)
    #expect((0..<3).map { _ in directories.next(at: next) } == [0, 0, 1])
    #expect(directories.next(at: hour) == 0, "a straggler does not begin the hour anew")
    #expect(directories.next(at: next) == 1)
    let (id, path) = (FileID(high: 1, low: 2), "files/1970/01/01/03")
    #expect(
      StoredName.path(id: id, filename: "a", uploader: "u", at: next, directory: 12).hasPrefix("\(path)/0012/a_u_"))
  }

  @Test func theExtensionIsWhatFollowsTheLastDot() {
    let (id, time) = (FileID(high: 1, low: 2), Timestamp(seconds: 0))
    let path = { StoredName.path(id: id, filename: $0, uploader: "u", at: time) }
    let start = "files/1970/01/01/00/"
    let end = "_u_19700101T000000_\(id)"
    #expect(path("a.tar.gz") == "\(start)a.tar\(end).gz")
    #expect(path(".profile") == "\(start)profile\(end)")
    #expect(path("a.") == "\(start)a\(end)")
    #expect(path("отчёт.pdf") == "\(start)отчёт\(end).pdf")
    #expect(path("a.much-too-long-an-extension") == "\(start)a.much-too-long-an-extension\(end)")
  }
}
