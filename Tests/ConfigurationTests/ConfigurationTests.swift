import Configuration
import Testing

struct ConfigurationTests {
  enum Colour: String, CaseIterable, Sendable { case red, green }

  static let port = Setting("T_PORT", .integer(1...65_535), default: 8010, doc: "Where it listens.")
  static let path = Setting("T_PATH", .path, doc: "Where documents lie.")
  static let wait = Setting("T_WAIT", .duration(.zero ... .seconds(86_400)), default: .seconds(90), doc: "Patience.")
  static let size = Setting("T_SIZE", .bytes(1...(1 << 40)), default: 1 << 20, doc: "How much.")
  static let secret = Setting.optional("T_SECRET", .string, doc: "A key.", isSecret: true)
  static let colour = Setting("T_COLOUR", .choice, default: Colour.red, doc: "Taste.")
  static let table = ConfigurationTable(prefix: "T_", [port, path, wait, size, secret, colour])

  @Test func environmentBeatsFileBeatsDefault() throws {
    let file = "# comment\nT_PATH=/from/file\nT_PORT = 1\n"
    let values = try Self.table.load(environment: ["T_PORT": "2", "HOME": "/root"], file: ("t.env", file))
    #expect(values[Self.port] == 2)
    #expect(values[Self.path] == "/from/file")
    #expect(values[Self.wait] == .seconds(90))
    #expect(values[Self.secret] == nil)
  }

  @Test(arguments: [
    ("T_PORT", "0"), ("T_PORT", "65536"), ("T_PORT", "8010x"), ("T_PATH", "relative"), ("T_WAIT", "5"),
    ("T_WAIT", "-5s"),
    ("T_WAIT", "2d"), ("T_SIZE", "1XB"), ("T_SIZE", "9999999999999TB"), ("T_COLOUR", "blue"),
  ])
  func badValueIsRefusedByName(key: String, value: String) {
    let error = #expect(throws: ConfigurationError.self) {
      try Self.table.load(environment: ["T_PATH": "/x"].merging([key: value]) { $1 })
    }
    #expect(error?.key == key)
    #expect(error?.description.contains(key) == true)
    #expect(error?.description.contains("must be") == true)
  }

  @Test func missingRequiredKeyIsNamed() {
    let error = #expect(throws: ConfigurationError.self) { try Self.table.load(environment: [:]) }
    #expect(error?.key == "T_PATH")
  }

  @Test func unknownKeyIsRefusedWithAHint() {
    let error = #expect(throws: ConfigurationError.self) {
      try Self.table.load(environment: ["T_PATH": "/x", "T_PROT": "1"])
    }
    #expect(error?.description.contains("did you mean T_PORT") == true)
    #expect(throws: ConfigurationError.self) {
      try Self.table.load(environment: ["T_PATH": "/x"], file: ("t.env", "OTHER=1"))
    }
  }

  @Test func fileQuotingFollowsSystemd() throws {
    let file = "T_PATH='/with space/и'\n; note\nT_SECRET=\"a\\\"b # not a comment\"\nT_WAIT=1\\\n5m\n"
    let values = try Self.table.load(environment: [:], file: ("t.env", file))
    #expect(values[Self.path] == "/with space/и")
    #expect(values[Self.secret] == "a\"b # not a comment")
    #expect(values[Self.wait] == .seconds(900))
  }

  @Test(arguments: ["T_PATH", "=x", "T_PATH='open", "T_PATH=/a\nT_PATH=/b", "T-PATH=/x"])
  func brokenFileNamesTheLine(text: String) {
    let error = #expect(throws: ConfigurationError.self) {
      try Self.table.load(environment: ["T_PATH": "/x"], file: ("t.env", text))
    }
    #expect(error?.description.contains("t.env, line") == true)
  }

  @Test func describingMasksSecretsAndCanBeReadBack() throws {
    let values = try Self.table.load(environment: ["T_PATH": "/x", "T_SECRET": "hunter2", "T_SIZE": "64KiB"])
    let text = Self.table.describe(values)
    #expect(!text.contains("hunter2"))
    #expect(text.contains("T_SECRET=***"))
    let again = try Self.table.load(environment: [:], file: ("printed", text))
    #expect(again[Self.size] == 65_536)
    #expect(again[Self.path] == "/x")
  }
}
