/// What was typed after the program's name: a command, its words, `--options`.
struct Arguments: Sendable {
  let words: [String]
  let options: [String: String]
  let flags: Set<String>

  static let known: Set<String> = ["json", "help", "version", "print-config", "again", "new-key", "quick", "adopt"]
  static let valued: Set<String> = ["config", "set", "to"]

  /// Throws for an option nobody knows or one without its value.
  init(_ arguments: some Sequence<String>) throws(CommandFailure) {
    var words: [String] = []
    var options: [String: String] = [:]
    var flags: Set<String> = []
    var rest = Array(arguments)[...]
    while let argument = rest.popFirst() {
      guard argument.hasPrefix("--"), argument.count > 2 else {
        if argument == "-h" { flags.insert("help") } else { words.append(argument) }
        continue
      }
      let parts = argument.dropFirst(2).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      let name = String(parts[0])
      if Self.known.contains(name), parts.count == 1 {
        flags.insert(name)
      } else if Self.valued.contains(name), let value = parts.count == 2 ? String(parts[1]) : rest.popFirst() {
        options[name] = value
      } else if Self.valued.contains(name) {
        throw .usage("--\(name) needs a value")
      } else {
        throw .usage("there is no option --\(name.prefix(40)); --help lists them")
      }
    }
    self.words = words
    self.options = options
    self.flags = flags
  }

  var isJSON: Bool { flags.contains("json") }

  /// Throws when more was typed than the command takes.
  func allow(words count: Int) throws(CommandFailure) {
    guard words.count <= count else { throw .usage("'\(words[count].prefix(40))' is one word too many; see --help") }
  }
}
