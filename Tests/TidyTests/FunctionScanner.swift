/// Finds the bodies of functions and initialisers by matching brackets in code without strings and comments.
struct FunctionScanner {
  struct Function: Equatable {
    let firstLine: Int
    let lastLine: Int
    var lineCount: Int { lastLine - firstLine + 1 }
  }

  /// Where the scanner stands for one function that it has met and not yet left.
  private struct Open {
    let firstLine: Int
    /// Nesting of curly brackets outside the function.
    let outside: Int
    var roundDepth = 0
    var bodyBegan = false
  }

  private var found: [Function] = []
  private var open: [Open] = []
  private var curlyDepth = 0

  static func functions(in lines: [SourceLine]) -> [Function] {
    var scanner = FunctionScanner()
    for line in lines { scanner.read(line) }
    return scanner.found
  }

  private mutating func read(_ line: SourceLine) {
    let beginners: Set<String> = ["func", "init", "deinit", "subscript"]
    var word = ""
    var previous: Character = " "
    for character in line.code + " " {
      if character.isLetter || character.isNumber || character == "_" {
        word.append(character)
        continue
      }
      if beginners.contains(word), previous != "." { begin(at: line.number) }
      if !word.isEmpty { previous = " " }
      word = ""
      meet(character, on: line.number)
      if character != " " { previous = character }
    }
  }

  private mutating func begin(at line: Int) {
    // A requirement of a protocol has no body: the next declaration ends it.
    if let last = open.last, !last.bodyBegan, last.roundDepth == 0 { open.removeLast() }
    open.append(Open(firstLine: line, outside: curlyDepth))
  }

  private mutating func meet(_ character: Character, on line: Int) {
    switch character {
    case "(": if let last = open.indices.last, !open[last].bodyBegan { open[last].roundDepth += 1 }
    case ")": if let last = open.indices.last, !open[last].bodyBegan { open[last].roundDepth -= 1 }
    case "{":
      if let last = open.indices.last, !open[last].bodyBegan, open[last].roundDepth == 0,
        open[last].outside == curlyDepth
      {
        open[last].bodyBegan = true
      }
      curlyDepth += 1
    case "}": close(on: line)
    default: break
    }
  }

  private mutating func close(on line: Int) {
    curlyDepth -= 1
    while let last = open.last {
      if last.bodyBegan, last.outside == curlyDepth {
        found.append(Function(firstLine: last.firstLine, lastLine: line))
        open.removeLast()
      } else if last.outside > curlyDepth {
        open.removeLast()
      } else {
        return
      }
    }
  }
}
