import Testing

@testable import Configuration

@Suite struct EnvironmentFileTests {
  private func values(_ text: String) throws -> [String: String] {
    Dictionary(uniqueKeysWithValues: try EnvironmentFile.parse(text).map { ($0.key, $0.value) })
  }

  @Test(arguments: [
    ("A=b", "b"), ("A=", ""), ("  A = b c  ", "b c"), (#"A="b  c""#, "b  c"), ("A='b \"c'", "b \"c"),
    (#"A="b \" c""#, "b \" c"), (#"A='b \n'"#, #"b \n"#), (#"A="b \n""#, #"b \n"#), (#"A="b \\ \$ \`""#, #"b \ $ `"#),
    (#"A=b\ c\;"#, "b c;"), ("A=b#c", "b#c"), ("A=b\\\nc", "bc"), ("A=b\r\n# x\r\n", "b"), (#"A='it'"'"'s'"#, "it's"),
    ("A=b=c", "b=c"), ("A=ключ", "ключ"), (#"A=b\\"#, #"b\"#), ("# c\n; d\n\nA=b\n", "b"),
  ])
  func valuesAreReadAsSystemdDoes(_ text: String, _ expected: String) throws {
    #expect(try values(text) == ["A": expected])
  }

  @Test(arguments: [
    ("A", 1), ("A=1\nB", 2), ("A='b", 1), (#"A="b"#, 1), ("A=1\n\nA=2", 3), ("A B=1", 1), ("=1", 1), ("Ä=1", 1),
    ("export A=1", 1), ("A=1\\\n\nB", 3),
  ])
  func whatItDoesNotUnderstandIsRefusedByLine(_ text: String, _ line: Int) throws {
    do throws(EnvironmentFile.Problem) {
      let read = try EnvironmentFile.parse(text)
      Issue.record("read \(read)")
    } catch { #expect(error.line == line) }
  }

  @Test(arguments: ["plain", "", "with space", #"q"q'q\q`q$q"#, "#x", "ü", #"\"#, "a=b"])
  func quotedValuesAreReadBack(_ value: String) throws {
    #expect(try values("A=\(EnvironmentFile.quoted(value))") == ["A": value])
  }
}
