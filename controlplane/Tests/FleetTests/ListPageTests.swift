import Identity
import Testing

@testable import Fleet

@Suite struct ListPageTests {
  private func rest(_ all: [String], after: String?, offset: Int = 0) -> [String] {
    ListRequest.rest(of: all, after: after, offset: offset) { $0 }
  }

  /// schemathesis found it: a cursor whose storage element had been removed was refused.
  @Test func aCursorStaysGoodWhenWhatItWasMadeOfIsGone() {
    #expect(rest(["b", "a", "d", "c"], after: nil) == ["a", "b", "c", "d"])
    #expect(rest(["b", "a", "d", "c"], after: nil, offset: 3) == ["d"])
    #expect(rest(["b", "a", "d", "c"], after: "b", offset: 3) == ["c", "d"])
    #expect(rest(["a", "d", "c"], after: "b") == ["c", "d"])
    #expect(rest(["a", "d", "c"], after: "z").isEmpty)
    // Bytes decide, whatever the letters are.
    #expect(rest(["ё", "e", "я"], after: "e") == ["я", "ё"])
  }
}
