/// Reads a file of `KEY=value` lines as systemd's `EnvironmentFile=` does (systemd.exec(5)): comments begin with `#`
/// or `;`,
/// values may be quoted with `'` or `"`, a backslash escapes in double quotes and outside of quotes, and one at the
/// end of a
/// line continues it.
enum EnvironmentFile {
  static let bytesMax = 1 << 20

  struct Problem: Error {
    let line: Int
    let words: String
  }

  static func parse(_ text: String) throws(Problem) -> [(key: String, value: String, line: Int)] {
    var entries: [(key: String, value: String, line: Int)] = []
    var lines = text.split(separator: "\n", omittingEmptySubsequences: false)[...]
    var number = 0
    while let first = lines.popFirst() {
      number += 1
      let start = number
      var line = String(first)
      while line.hasSuffix("\\"), let more = lines.popFirst() {
        number += 1
        line = String(line.dropLast()) + String(more)
      }
      let trimmed = line.trimmingSpaces()
      if trimmed.isEmpty || trimmed.hasPrefix("#") || trimmed.hasPrefix(";") { continue }
      guard let equals = trimmed.firstIndex(of: "=") else {
        throw Problem(line: start, words: "expected KEY=value")
      }
      let key = trimmed[..<equals].trimmingSpaces()
      guard !key.isEmpty, key.utf8.allSatisfy(isKeyByte) else {
        throw Problem(line: start, words: "a key has only letters, digits and _")
      }
      guard let value = unquoted(trimmed[trimmed.index(after: equals)...].trimmingSpaces()) else {
        throw Problem(line: start, words: "the value of \(key) has a quote that does not end")
      }
      if let earlier = entries.first(where: { $0.key == key }) {
        throw Problem(line: start, words: "\(key) stands already in line \(earlier.line)")
      }
      entries.append((key, value, start))
    }
    return entries
  }

  private static func unquoted(_ text: String) -> String? {
    var out = ""
    var quote: Character?
    var isEscaped = false
    for character in text {
      if isEscaped {
        out.append(character)
        isEscaped = false
      } else if character == "\\", quote != "'" {
        isEscaped = true
      } else if let open = quote {
        if character == open { quote = nil } else { out.append(character) }
      } else if character == "'" || character == "\"" {
        quote = character
      } else {
        out.append(character)
      }
    }
    return quote == nil && !isEscaped ? out : nil
  }

  private static func isKeyByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
      true
    default: false
    }
  }
}
