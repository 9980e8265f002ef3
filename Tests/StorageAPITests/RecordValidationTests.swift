import Core
import HTTP
import StorageAPI
import Testing

@Suite struct RecordValidationTests {
  /// The field that a check refuses; nil when it passes.
  private func refused(_ check: () throws(APIError) -> Void) -> String? {
    do {
      try check()
      return nil
    } catch {
      #expect(error.code == .validation && error.status == .badRequest)
      guard case .string(let field) = error.details["field"] else { return "" }
      #expect(error.message.hasPrefix("\(field): "))
      return field
    }
  }

  @Test(arguments: ["a", "отчёт № 7.pdf", "…", ".hidden", "a b'\"c", "👩‍👩‍👧.png", String(repeating: "x", count: 255)])
  func namesThatPass(_ name: String) {
    #expect(refused { () throws(APIError) in try RecordValidation.filename(name) } == nil)
  }

  @Test(arguments: [
    "", ".", "..", "a/b", "a\\b", "a\nb", "a\u{0}b", "a\u{7F}", "a\u{85}b", "a\u{2028}b", "a\u{202E}fdp.exe",
    String(repeating: "x", count: 256), "e" + String(repeating: "\u{301}", count: 600),
  ])
  func namesThatDoNot(_ name: String) {
    #expect(refused { () throws(APIError) in try RecordValidation.filename(name) } == "original_filename")
  }

  @Test func descriptions() {
    let check = { (text: String) in refused { () throws(APIError) in try RecordValidation.description(text) } }
    #expect(check("") == nil && check("a\n\tb\r\n") == nil && check(String(repeating: "ж", count: 1000)) == nil)
    #expect(check(String(repeating: "x", count: 1001)) == "description" && check("a\u{0}") == "description")
  }

  @Test func tags() {
    let check = { (tags: [String]) in refused { () throws(APIError) in try RecordValidation.tags(tags) } }
    #expect(check([]) == nil && check(["a", "b c", "ж"]) == nil && check((0..<50).map { "\($0)" }) == nil)
    for bad in [[""], ["a", "a"], ["a\n"], [String(repeating: "x", count: 101)], (0..<51).map { "\($0)" }] {
      #expect(check(bad) == "tags")
    }
  }

  @Test func daysToLive() {
    let check = { (days: Int) in refused { () throws(APIError) in try RecordValidation.ttlDays(days) } }
    #expect(check(1) == nil && check(365) == nil)
    for bad in [0, -1, 366, Int.max, Int.min] { #expect(check(bad) == "ttl_days") }
  }

  @Test func metadataAndTheRest() {
    var deep = JSONValue.integer(1)
    for _ in 0..<7 { deep = .array([deep]) }
    #expect(refused { () throws(APIError) in try RecordValidation.metadata(["a": deep]) } == nil)
    #expect(refused { () throws(APIError) in try RecordValidation.metadata(["a": .array([deep])]) } == "metadata")
    for good in ["text/plain", "text/plain; charset=utf-8", "application/vnd.x+json"] {
      #expect(refused { () throws(APIError) in try RecordValidation.contentType(good) } == nil)
    }
    for bad in ["", "text", "text/", "/x", "a/b/c", "text/plain\r\nX: y", "text/ä"] {
      #expect(refused { () throws(APIError) in try RecordValidation.contentType(bad) } == "content_type")
    }
    for bad in ["", "a\nb", String(repeating: "x", count: 201)] {
      #expect(refused { () throws(APIError) in try RecordValidation.subject(bad) } == "uploaded_by")
    }
  }
}
