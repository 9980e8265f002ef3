import Core
import HTTP
import Testing

struct ConditionsTests {
  static let tag = EntityTag("abc")
  static let modified = Timestamp(seconds: 1_700_000_000)
  static let same = HTTPDate.format(modified)
  static let before = HTTPDate.format(Timestamp(seconds: 1_699_999_999))
  static let after = HTTPDate.format(Timestamp(seconds: 1_700_000_001))

  static func outcome(_ conditions: Conditions, _ method: HTTPMethod = .get) -> Conditions.Outcome {
    conditions.evaluate(etag: tag, lastModified: modified, method: method)
  }

  /// RFC 9110 §13.2.2, step by step.
  @Test func followsTheOrderOfTheStandard() {
    #expect(Self.outcome(Conditions()) == .proceed)
    #expect(Self.outcome(Conditions(ifMatch: "\"abc\"")) == .proceed)
    #expect(Self.outcome(Conditions(ifMatch: "*")) == .proceed)
    #expect(Self.outcome(Conditions(ifMatch: "\"x\", \"abc\"")) == .proceed)
    #expect(Self.outcome(Conditions(ifMatch: "\"x\"")) == .preconditionFailed)
    #expect(Self.outcome(Conditions(ifMatch: "W/\"abc\"")) == .preconditionFailed)
    #expect(Self.outcome(Conditions(ifMatch: "abc")) == .preconditionFailed)
    #expect(Self.outcome(Conditions(ifUnmodifiedSince: Self.same)) == .proceed)
    #expect(Self.outcome(Conditions(ifUnmodifiedSince: Self.before)) == .preconditionFailed)
    #expect(Self.outcome(Conditions(ifMatch: "\"abc\"", ifUnmodifiedSince: Self.before)) == .proceed)
    #expect(Self.outcome(Conditions(ifNoneMatch: "\"abc\"")) == .notModified)
    #expect(Self.outcome(Conditions(ifNoneMatch: "W/\"abc\"")) == .notModified)
    #expect(Self.outcome(Conditions(ifNoneMatch: "*"), .head) == .notModified)
    #expect(Self.outcome(Conditions(ifNoneMatch: "\"abc\""), .delete) == .preconditionFailed)
    #expect(Self.outcome(Conditions(ifNoneMatch: "\"x\"", ifModifiedSince: Self.after)) == .proceed)
    #expect(Self.outcome(Conditions(ifModifiedSince: Self.same)) == .notModified)
    #expect(Self.outcome(Conditions(ifModifiedSince: Self.before)) == .proceed)
    #expect(Self.outcome(Conditions(ifModifiedSince: Self.after), .post) == .proceed)
    #expect(Self.outcome(Conditions(ifModifiedSince: "yesterday")) == .proceed)
    #expect(Self.outcome(Conditions(ifMatch: "\"x\"", ifNoneMatch: "\"abc\"")) == .preconditionFailed)
  }

  @Test func starMeansExistence() {
    let conditions = Conditions(ifNoneMatch: "*")
    #expect(conditions.evaluate(etag: nil, lastModified: nil, method: .put, exists: false) == .proceed)
    let match = Conditions(ifMatch: "*")
    #expect(match.evaluate(etag: nil, lastModified: nil, method: .put, exists: false) == .preconditionFailed)
  }

  @Test(
    arguments: [
      (nil, true), ("\"abc\"", true), ("W/\"abc\"", false), ("\"x\"", false), (same, true), (before, false),
      (after, false), ("nonsense", false),
    ] as [(String?, Bool)])
  func rangesCountOnlyForTheSameBytes(_ ifRange: String?, _ expected: Bool) {
    let conditions = Conditions(ifRange: ifRange)
    #expect(conditions.honoursRange(etag: Self.tag, lastModified: Self.modified) == expected)
  }

  @Test func entityTagsAreParsedStrictly() {
    #expect(EntityTag(parsing: "\"\"") == EntityTag(""))
    #expect(EntityTag(parsing: "W/\"a,b\"") == EntityTag("a,b", isWeak: true))
    for broken in ["", "\"", "abc", "\"a\"b\"", "w/\"a\"", "\"a b\""] { #expect(EntityTag(parsing: broken) == nil) }
    #expect(EntityTag.List(parsing: "\"a,b\", W/\"c\",, bad") == .tags([.init("a,b"), .init("c", isWeak: true)]))
  }

  @Test func datesComeInThreeForms() {
    let time = Timestamp(seconds: 784_111_777)
    #expect(HTTPDate.format(time) == "Sun, 06 Nov 1994 08:49:37 GMT")
    for text in [
      "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994",
    ] { #expect(HTTPDate.parse(text) == time) }
    for text in ["", "Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 CET", "1994-11-06T08:49:37Z"] {
      #expect(HTTPDate.parse(text) == nil)
    }
    for seconds in stride(from: Int64(0), to: 4_000_000_000, by: 86_400 * 97 + 3599) {
      let time = Timestamp(seconds: seconds)
      #expect(HTTPDate.parse(HTTPDate.format(time)) == time)
    }
  }
}
