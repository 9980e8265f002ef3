/// Why a program refuses to start: which key, from where, what is wrong, how to mend it.
public struct ConfigurationError: Error, Sendable, CustomStringConvertible {
  public let key: String?
  public let description: String
}

/// A program's whole configuration table, and how it is loaded: environment beats file beats default. Nothing is
/// ignored:
/// an unknown key or a bad value is refused by name.
public struct ConfigurationTable: Sendable {
  /// What the program's keys begin with, e.g. `SE_`: in the environment, unknown keys that begin so are refused.
  public let prefix: String
  public let settings: [any AnySetting]

  public init(prefix: String, _ settings: [any AnySetting]) {
    precondition(settings.allSatisfy { $0.key.hasPrefix(prefix) }, "every key begins with \(prefix)")
    precondition(Set(settings.map(\.key)).count == settings.count, "every key stands once")
    self.prefix = prefix
    self.settings = settings
  }

  /// `file`: the text of a file of `KEY=value` lines and its name for messages.
  public func load(
    environment: [String: String], file: (name: String, text: String)? = nil
  ) throws(ConfigurationError) -> ConfigurationValues {
    var texts: [String: (text: String, source: String)] = [:]
    if let file {
      let entries: [(key: String, value: String, line: Int)]
      do throws(EnvironmentFile.Problem) {
        guard file.text.utf8.count <= EnvironmentFile.bytesMax else {
          throw EnvironmentFile.Problem(line: 1, words: "the file is larger than \(EnvironmentFile.bytesMax) bytes")
        }
        entries = try EnvironmentFile.parse(file.text)
      } catch {
        throw ConfigurationError(key: nil, description: "\(file.name), line \(error.line): \(error.words)")
      }
      for (key, value, line) in entries {
        try check(known: key, source: "\(file.name), line \(line)")
        texts[key] = (value, "\(file.name), line \(line)")
      }
    }
    for (key, value) in environment where key.hasPrefix(prefix) {
      try check(known: key, source: "the environment")
      texts[key] = (value, "the environment")
    }
    var values: [String: any Sendable] = [:]
    for setting in settings {
      let given = texts[setting.key]
      switch setting.parsed(given?.text) {
      case .success(let value): values[setting.key] = value
      case .failure(let problem):
        let origin = given.map { " (from \($0.source))" } ?? ""
        throw ConfigurationError(key: setting.key, description: "\(setting.key)\(origin) \(problem.words)")
      }
    }
    return ConfigurationValues(values: values, given: texts.mapValues(\.text))
  }

  /// What `--print-config` prints: a commented file that could be used as it is. Secrets are masked.
  public func describe(_ values: ConfigurationValues? = nil) -> String {
    settings.map { setting in
      var text = "# \(setting.doc)\n# \(setting.kindName)"
      if let unit = setting.unit { text += "; \(unit)" }
      text += setting.defaultText.map { $0.isEmpty ? "; no default" : "; default \($0)" } ?? "; required"
      let given = (values?.given[setting.key]).map(EnvironmentFile.quoted)
      let shown = setting.isSecret ? given.map { _ in "***" } : given
      text +=
        "\n"
        + (shown.map { "\(setting.key)=\($0)" }
          ?? "#\(setting.key)=\(EnvironmentFile.quoted(setting.defaultText ?? ""))")
      return text + "\n"
    }.joined(separator: "\n")
  }

  private func check(known key: String, source: String) throws(ConfigurationError) {
    guard settings.contains(where: { $0.key == key }) else {
      let near = settings.map(\.key).min { distance($0, key) < distance($1, key) }
      let hint = near.map { distance($0, key) <= 3 ? "; did you mean \($0)?" : "" } ?? ""
      throw ConfigurationError(
        key: key, description: "\(key) (from \(source)) is not a setting\(hint) (--print-config lists them all)")
    }
  }

  /// Levenshtein's distance: for the hint at a typing error.
  private func distance(_ a: String, _ b: String) -> Int {
    let (first, second) = (Array(a.utf8), Array(b.utf8))
    guard first.count < 100, second.count < 100 else { return 100 }
    var row = Array(0...second.count)
    for (i, x) in first.enumerated() {
      var diagonal = row[0]
      row[0] = i + 1
      for (j, y) in second.enumerated() {
        let change = diagonal + (x == y ? 0 : 1)
        diagonal = row[j + 1]
        row[j + 1] = min(change, row[j] + 1, diagonal + 1)
      }
    }
    return row[second.count]
  }
}

/// Loaded values, asked for by their setting.
public struct ConfigurationValues: Sendable {
  let values: [String: any Sendable]
  let given: [String: String]

  /// The value of a setting of the table that was loaded.
  public subscript<Value: Sendable>(_ setting: Setting<Value>) -> Value {
    guard let value = values[setting.key] as? Value else {
      preconditionFailure("\(setting.key) is not in the table that was loaded")
    }
    return value
  }
}
