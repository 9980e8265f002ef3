/// Reads a file of `KEY=value` lines as systemd's `EnvironmentFile=` does (systemd.exec(5)): comments begin with `#` or
/// `;`; values may be quoted with `'` or `"`; a backslash escapes any character outside of quotes, and in double quotes
/// only quote, backslash, backquote and dollar (before others it stays); one at the end of a line continues it.
/// Stricter than systemd in one thing: a key that stands twice is refused.
enum EnvironmentFile {
  static let bytesMax = 1 << 20

  struct Problem: Error {
    let line: Int
    let words: String
  }

  static func parse(_ text: String) throws(Problem) -> [(key: String, value: String, line: Int)] {
    var entries: [(key: String, value: String, line: Int)] = []
    // By scalars: to Swift CR LF is one character, and not the one we look for.
    var lines = text.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false).map { line in
      String(line.last == "\r" ? line.dropLast() : line)
    }[...]
    var number = 0
    while let first = lines.popFirst() {
      number += 1
      let start = number
      var line = first
      while endsInContinuation(line), let more = lines.popFirst() {
        number += 1
        line = String(line.dropLast()) + more
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

  /// An odd number of backslashes at the end: an even one is escaped backslashes.
  private static func endsInContinuation(_ line: String) -> Bool {
    !line.utf8.reversed().prefix { $0 == UInt8(ascii: "\\") }.count.isMultiple(of: 2)
  }

  private static func unquoted(_ text: String) -> String? {
    var out = ""
    var quote: Character?
    var isEscaped = false
    for character in text {
      if isEscaped {
        if quote == "\"", !"\"\\`$".contains(character) { out.append("\\") }
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

  /// A value as it may stand in a file: quoted when it would be read as another otherwise.
  static func quoted(_ value: String) -> String {
    let isPlain = value.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && !"\"'\\`$#;".utf8.contains($0) }
    guard !isPlain else { return value }
    let escaped = value.map { "\"\\`$".contains($0) ? "\\\($0)" : String($0) }.joined()
    return "\"\(escaped)\""
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
