internal import Core
internal import HTTP
internal import Testing

@testable import Console

@Suite struct TextTests {
  @Test func bothTablesHoldEveryText() {
    for text in Text.allCases {
      #expect(text.pattern(.english)?.isEmpty == false, "\(text.rawValue) has no English")
      #expect(text.pattern(.russian)?.isEmpty == false, "\(text.rawValue) has no Russian")
    }
  }

  @Test func bothTablesHaveTheSamePlacesForValues() {
    for text in Text.allCases {
      #expect(places(text.pattern(.english) ?? "") == places(text.pattern(.russian) ?? ""), "\(text.rawValue)")
    }
  }

  @Test func russianIsRussianAndEnglishIsNot() {
    let sameInBoth: Set<Text> = [.checksum]
    for text in Text.allCases where !sameInBoth.contains(text) {
      #expect(hasCyrillic(text.pattern(.russian) ?? ""), "\(text.rawValue) is not translated")
      #expect(!hasCyrillic(text.pattern(.english) ?? ""), "\(text.rawValue)")
    }
  }

  @Test func valuesAreFilledInOnce() {
    #expect(Text.usedOfTotal.in(.english, ["{1}", "5 GiB"]) == "{1} of 5 GiB")
    #expect(Text.ofTotal.in(.russian, ["5"]) == "из 5")
  }

  @Test func everyErrorCodeHasATitle() {
    for code in ErrorCode.allCases { #expect(!Text.title(of: code).in(.russian).isEmpty) }
  }

  private func places(_ text: String) -> [String] {
    (0..<6).map { "{\($0)}" }.filter { text.contains($0) }
  }

  private func hasCyrillic(_ text: String) -> Bool {
    text.unicodeScalars.contains { (0x400...0x4FF).contains($0.value) }
  }
}

@Suite struct LanguageTests {
  @Test(arguments: [
    ("ru-RU,ru;q=0.9,en;q=0.8", Language.russian), ("en-GB, ru;q=0.5", .english), ("de, ru;q=0.3, en;q=0.2", .russian),
    ("ru;q=0, en", .english), ("", .english), ("*", .english), ("en;q=0.1,ru;q=0.1", .english),
  ])
  func browserSaysWhatItSpeaks(_ header: String, _ expected: Language) {
    #expect(Language(acceptLanguage: header) == expected)
  }

  @Test func sizesAndCounts() {
    let english = Format(language: .english)
    let russian = Format(language: .russian)
    #expect(english.size(0) == "0\u{A0}B")
    #expect(english.size(1536) == "1.5\u{A0}KiB")
    #expect(russian.size(1536) == "1,5\u{A0}КиБ")
    #expect(english.size(256 << 20) == "256\u{A0}MiB")
    #expect(english.size(.max) == "8,192\u{A0}PiB")
    #expect(english.count(1_234_567) == "1,234,567")
    #expect(russian.count(-1234) == "−1\u{A0}234")
    #expect(english.count(.min) == "−9,223,372,036,854,775,808")
  }

  @Test func fullIsSaidOnlyWhenItIsFull() {
    let format = Format(language: .english)
    #expect(format.percent(999, of: 1000) == 99)
    #expect(format.percent(1, of: 1_000_000) == 1)
    #expect(format.percent(5, of: 0) == 0)
    #expect(format.percent(5, of: 5) == 100)
    #expect(format.percentText(1, of: 1_000_000) == "<1%")
    #expect(format.percentText(0, of: 10) == "0%")
    #expect(format.percentText(5, of: 10) == "50%")
  }

  @Test func times() {
    let now = Timestamp("2026-11-20T14:30:00Z")!
    let format = Format(language: .russian)
    #expect(format.time(now) == "20\u{A0}ноя\u{A0}2026, 14:30 UTC")
    #expect(format.distance(now - .seconds(300), from: now) == "5\u{A0}мин назад")
    #expect(Format(language: .english).distance(now + .seconds(3 * 86_400), from: now) == "in 3\u{A0}days")
  }
}
