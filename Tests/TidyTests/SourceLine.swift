/// A line of Swift with the contents of string literals taken out of `code`, and comments apart.
struct SourceLine {
  /// From 1.
  let number: Int
  let text: String
  /// Without comments; string literals are left as empty quotes, their interpolations with them.
  let code: String
  let comment: String

  static func split(_ text: String) -> [SourceLine] {
    var scanner = LineScanner()
    return text.split(separator: "\n", omittingEmptySubsequences: false).enumerated().map { index, line in
      scanner.scan(String(line), number: index + 1)
    }
  }
}

/// Carries what one line leaves open to the next: block comments and multi-line string literals.
private struct LineScanner {
  private enum State {
    case code
    case blockComment(depth: Int)
    case string(closing: String)
  }
  private var state = State.code
  private var code = ""
  private var comment = ""

  mutating func scan(_ line: String, number: Int) -> SourceLine {
    code = ""
    comment = ""
    var rest = Substring(line)
    while !rest.isEmpty { rest = step(rest) }
    // A single-line literal cannot go on: whatever was left open was not one (an odd quote in a regular expression).
    if case .string(let closing) = state, !closing.hasPrefix("\"\"\"") { state = .code }
    return SourceLine(number: number, text: line, code: code, comment: comment)
  }

  private mutating func step(_ rest: Substring) -> Substring {
    switch state {
    case .blockComment(let depth): return stepInComment(rest, depth: depth)
    case .string(let closing): return stepInString(rest, closing: closing)
    case .code: return stepInCode(rest)
    }
  }

  private mutating func stepInComment(_ rest: Substring, depth: Int) -> Substring {
    if rest.hasPrefix("*/") {
      state = depth == 1 ? .code : .blockComment(depth: depth - 1)
      return rest.dropFirst(2)
    }
    if rest.hasPrefix("/*") {
      state = .blockComment(depth: depth + 1)
      return rest.dropFirst(2)
    }
    comment.append(rest[rest.startIndex])
    return rest.dropFirst()
  }

  private mutating func stepInString(_ rest: Substring, closing: String) -> Substring {
    if rest.hasPrefix(closing) {
      state = .code
      code += "\""
      return rest.dropFirst(closing.count)
    }
    let escapes = !closing.hasSuffix("#")
    return rest.dropFirst(escapes && rest.first == "\\" ? 2 : 1)
  }

  private mutating func stepInCode(_ rest: Substring) -> Substring {
    if rest.hasPrefix("//") {
      comment += rest.dropFirst(2)
      return rest.suffix(0)
    }
    if rest.hasPrefix("/*") {
      state = .blockComment(depth: 1)
      return rest.dropFirst(2)
    }
    let hashes = rest.prefix { $0 == "#" }
    let afterHashes = rest.dropFirst(hashes.count)
    if afterHashes.hasPrefix("\"") {
      let quotes = afterHashes.hasPrefix("\"\"\"") ? "\"\"\"" : "\""
      state = .string(closing: quotes + hashes)
      code += "\""
      return afterHashes.dropFirst(quotes.count)
    }
    code.append(rest[rest.startIndex])
    return rest.dropFirst()
  }
}
