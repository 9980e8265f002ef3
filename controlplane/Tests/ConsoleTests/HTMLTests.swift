internal import Testing

@testable import Console

@Suite struct HTMLTests {
  private func text(_ html: HTML) -> String { String(decoding: html.bytes, as: UTF8.self) }

  @Test func textIsEscapedInContentAndInAttributes() {
    let hostile = "<script>alert('x')</script>\"&"
    let html = Tag.p(.class(hostile)) { hostile }
    let escaped = "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&quot;&amp;"
    #expect(text(html) == "<p class=\"\(escaped)\">\(escaped)</p>")
  }

  @Test func charactersThatHideOrReverseBecomeVisible() {
    #expect(text(HTML("invoice\u{202E}fdp.exe\u{0}\u{7F}")) == "invoice\u{FFFD}fdp.exe\u{FFFD}\u{FFFD}")
    #expect(text(HTML("Отчёт №5 👍\n")) == "Отчёт №5 👍\n")
  }

  @Test func attributesMayBeAbsentOrBare() {
    let html = Tag.input(
      .type("text"), Attribute("value", orNone: nil), Attribute("checked", if: true), Attribute("disabled", if: false))
    #expect(text(html) == "<input type=\"text\" checked>")
  }

  @Test func partsNestAndLoop() {
    let html = Tag.ul {
      for item in ["a", "b"] { Tag.li(item) }
      if text(.empty).isEmpty { Tag.li { Tag.strong("c") } }
    }
    #expect(text(html) == "<ul><li>a</li><li>b</li><li><strong>c</strong></li></ul>")
  }
}

@Suite struct LinkTests {
  @Test func valuesCannotLeaveTheirPlace() {
    let id = "../../login?next=//evil\"#"
    #expect(Link("/files/\(id)").text == "/files/..%2F..%2Flogin%3Fnext%3D%2F%2Fevil%22%23")
    #expect(
      Link("/files").query([("q", "отчёт &"), ("none", nil)]).text == "/files?q=%D0%BE%D1%82%D1%87%D1%91%D1%82%20%26")
  }

  @Test(arguments: ["//evil.example", "https://evil.example", "javascript:alert(1)", "/\\evil", "", "/a b", "/é"])
  func onlyLocalPlacesAreFollowed(_ text: String) { #expect(Link(local: text) == nil) }

  @Test func localPlacesStay() { #expect(Link(local: "/files?q=a%20b")?.text == "/files?q=a%20b") }
}
