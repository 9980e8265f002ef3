/// What a rule found.
struct Violation: CustomStringConvertible, Equatable {
  let path: String
  let line: Int
  let reason: String

  var description: String { "\(path):\(line): \(reason)" }
}

/// The rules of docs/HACKING.md, "Style", each a function from a file to what is wrong with it.
enum Rules {
  static let fileLinesMax = 400
  static let lineCharactersMax = 120
  static let functionLinesMax = 70

  /// Imports follow the arrows; C modules stay inside; Foundation stays out.
  static func imports(_ file: SourceFile) -> [Violation] {
    file.lines.compactMap { line in
      guard let statement = ImportStatement(line.code) else { return nil }
      if statement.module == "Foundation" {
        return Violation(path: file.path, line: line.number, reason: "import FoundationEssentials, not Foundation")
      }
      if Arrows.cModules[statement.module] != nil, statement.isVisibleOutside {
        return Violation(path: file.path, line: line.number, reason: "\(statement.module) must be an internal import")
      }
      if file.isTest, file.module.hasSuffix("TidyTests") { return nil }
      return Arrows.objection(to: statement.module, from: file.module, inTests: file.isTest).map {
        Violation(path: file.path, line: line.number, reason: $0)
      }
    }
  }

  static func sizes(_ file: SourceFile) -> [Violation] {
    var found: [Violation] = []
    let count = file.lines.last?.text.isEmpty == true ? file.lines.count - 1 : file.lines.count
    if count > fileLinesMax {
      found.append(Violation(path: file.path, line: count, reason: "\(count) lines; at most \(fileLinesMax)"))
    }
    for line in file.lines where line.text.count > lineCharactersMax {
      found.append(
        Violation(path: file.path, line: line.number, reason: "line longer than \(lineCharactersMax) characters"))
    }
    return found
  }

  static func functionLengths(_ file: SourceFile) -> [Violation] {
    FunctionScanner.functions(in: file.lines).filter { $0.lineCount > functionLinesMax }.map {
      Violation(
        path: file.path, line: $0.firstLine,
        reason: "function of \($0.lineCount) lines; at most \(functionLinesMax)")
    }
  }

  /// Constructs that need a reason in a comment on the same line, and those that no reason excuses.
  static func constructs(_ file: SourceFile) -> [Violation] {
    let needReason = ["try?", "try!", "as!", "@unchecked Sendable", "nonisolated(unsafe)"]
    var found: [Violation] = []
    for line in file.lines {
      if line.code.contains("Task.detached") {
        found.append(Violation(path: file.path, line: line.number, reason: "Task.detached is not structured"))
      }
      if file.isTest { continue }
      for construct in needReason where line.uses(construct) && !line.hasReason {
        found.append(
          Violation(
            path: file.path, line: line.number, reason: "\(construct) without its reason in a comment beside it"))
      }
    }
    return found
  }

  /// Work left for later belongs to the issue tracker.
  static func leftovers(_ file: SourceFile) -> [Violation] {
    let words = ["TO" + "DO", "FIX" + "ME", "XX" + "X"]
    return file.lines.flatMap { line in
      let written = (line.comment + " " + line.code).split { !$0.isLetter }
      return words.filter { word in written.contains { $0 == word } }.map {
        Violation(path: file.path, line: line.number, reason: "\($0) left in the source")
      }
    }
  }

  /// Libraries log; only executables write to standard output.
  static func printing(_ file: SourceFile) -> [Violation] {
    guard !file.isTest, !file.module.hasPrefix("artstore-") else { return [] }
    return file.lines.compactMap { line in
      guard let range = line.code.firstRange(of: "print(") else { return nil }
      let before = line.code[..<range.lowerBound].last
      if let before, before.isLetter || before.isNumber || before == "_" || before == "." { return nil }
      return Violation(path: file.path, line: line.number, reason: "print in a library: use the logger")
    }
  }

  /// Names that say nothing about what is inside.
  static func moduleNames(_ names: [String]) -> [Violation] {
    let empty = ["Util", "Helper", "Manager", "Common", "Misc", "Shared"]
    return names.filter { name in empty.contains { name.contains($0) } }.map {
      Violation(path: $0, line: 0, reason: "a module's name says what it is about")
    }
  }
}

extension SourceLine {
  /// Whether the construct stands in the code as a word of its own: `Entry?` is no `try?`.
  func uses(_ construct: String) -> Bool {
    code.ranges(of: construct).contains { range in
      guard let before = code[..<range.lowerBound].last else { return true }
      return !before.isLetter
    }
  }

  /// Three words at least: a reason, not a marker.
  var hasReason: Bool { comment.split(separator: " ").count >= 3 }
}

/// `public import struct Core.FileID` and the like.
struct ImportStatement {
  let module: String
  let isVisibleOutside: Bool

  init?(_ code: String) {
    var words = code.split(separator: " ").map(String.init)
    let access: Set<String> = ["public", "package", "internal", "fileprivate", "private"]
    let kinds: Set<String> = ["struct", "class", "enum", "protocol", "func", "var", "let", "typealias", "actor"]
    var visible = false
    while let word = words.first, word.hasPrefix("@") || access.contains(word) {
      if word == "public" || word == "package" { visible = true }
      words.removeFirst()
    }
    guard words.first == "import", words.count >= 2 else { return nil }
    words.removeFirst()
    if kinds.contains(words[0]), words.count >= 2 { words.removeFirst() }
    guard let name = words[0].split(separator: ".").first else { return nil }
    module = String(name)
    isVisibleOutside = visible
  }
}
