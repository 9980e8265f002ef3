import Configuration
import Testing

@Suite struct ConfigurationTableTests {
  enum Color: String, CaseIterable, Sendable { case red, green }

  static let name = Setting<String>("XX_NAME", .string, default: "anna", doc: "A name")
  static let port = Setting<Int>("XX_PORT", .integer(1...65_535), default: 80, doc: "A port")
  static let size = Setting<Int>("XX_SIZE", .bytes(1...1 << 40), default: 1024, unit: "bytes", doc: "A size")
  static let wait = Setting<Duration>(
    "XX_WAIT", .duration(.milliseconds(1)...Duration.seconds(86_400 * 30)), default: .seconds(30), doc: "A wait")
  static let isOn = Setting<Bool>("XX_ON", .bool, default: false, doc: "A switch")
  static let list = Setting<[String]>("XX_LIST", .list, default: [], doc: "A list")
  static let address = Setting<NetworkAddress>(
    "XX_ADDRESS", .address, default: NetworkAddress(host: "::", port: 1), doc: "An address")
  static let color = Setting<Color>("XX_COLOR", .choice, default: .red, doc: "A color")
  static let path = Setting<String?>.optional("XX_PATH", .path, doc: "A path")
  static let secret = Setting<String?>.optional("XX_SECRET", .string, doc: "A secret", isSecret: true)
  static let needed = Setting<String>("XX_NEEDED", .string, doc: "Something needed")

  let table = ConfigurationTable(
    prefix: "XX_",
    [
      Self.name, Self.port, Self.size, Self.wait, Self.isOn, Self.list, Self.address, Self.color, Self.path,
      Self.secret, Self.needed,
    ])

  private func load(_ environment: [String: String], file: String? = nil) throws -> ConfigurationValues {
    try table.load(
      environment: ["XX_NEEDED": "n"].merging(environment) { $1 }, file: file.map { ("/etc/x.env", $0) })
  }

  /// The refusal's key and words.
  private func refusal(_ environment: [String: String], file: String? = nil) -> ConfigurationError? {
    do {
      _ = try load(environment, file: file)
      return nil
    } catch { return error as? ConfigurationError }
  }

  @Test func defaultsFileAndEnvironmentInThatOrder() throws {
    #expect(try load([:])[Self.name] == "anna")
    #expect(try load([:], file: "XX_NAME=boris")[Self.name] == "boris")
    #expect(try load(["XX_NAME": "clara"], file: "XX_NAME=boris")[Self.name] == "clara")
    #expect(try load(["HOME": "/", "PATH": "x"])[Self.path] == nil)
    #expect(try load(["XX_PATH": "/a/"])[Self.path] == "/a")
    #expect(try load(["XX_PATH": ""])[Self.path] == nil)
  }

  @Test func everyKindIsRead() throws {
    let values = try load([
      "XX_PORT": "65535", "XX_SIZE": "10GiB", "XX_WAIT": "250ms", "XX_ON": "yes", "XX_LIST": " a, b ,,c",
      "XX_ADDRESS": "[::1]:8010", "XX_COLOR": "green",
    ])
    #expect(values[Self.port] == 65_535)
    #expect(values[Self.size] == 10 << 30)
    #expect(values[Self.wait] == .milliseconds(250))
    #expect(values[Self.isOn])
    #expect(values[Self.list] == ["a", "b", "c"])
    #expect(values[Self.address] == NetworkAddress(host: "::1", port: 8010))
    #expect(values[Self.address].description == "[::1]:8010")
    #expect(values[Self.color] == .green)
  }

  @Test(arguments: [
    ("XX_PORT", "0"), ("XX_PORT", "65536"), ("XX_PORT", "eighty"), ("XX_PORT", ""), ("XX_PORT", "8 0"),
    ("XX_SIZE", "-1"), ("XX_SIZE", "1.5GiB"), ("XX_SIZE", "9999999999TiB"), ("XX_SIZE", "0"), ("XX_WAIT", "30"),
    ("XX_WAIT", "31d"), ("XX_WAIT", "0ms"), ("XX_WAIT", "-1s"), ("XX_ON", "maybe"), ("XX_ADDRESS", "8010"),
    ("XX_ADDRESS", ":8010"), ("XX_ADDRESS", "a:99999"), ("XX_COLOR", "blue"), ("XX_PATH", "relative/path"),
    ("XX_NAME", ""),
  ])
  func badValuesAreRefusedByName(_ key: String, _ value: String) throws {
    let error = try #require(refusal([key: value]))
    #expect(error.key == key)
    #expect(error.description.hasPrefix("\(key) (from the environment) "))
    #expect(error.description.contains("must"), "says how to mend it: \(error)")
    let fromFile = try #require(refusal([:], file: "\n\(key)=\(value)"))
    #expect(fromFile.description.contains("/etc/x.env, line 2"))
  }

  @Test func unknownKeysAreRefusedWithAHint() throws {
    let error = try #require(refusal(["XX_PROT": "80"]))
    #expect(error.key == "XX_PROT")
    #expect(error.description.contains("did you mean XX_PORT?"))
    #expect(refusal([:], file: "OTHER=1")?.key == "OTHER")
    #expect(refusal(["OTHER": "1"]) == nil, "the environment is everybody's, below the prefix it is ours")
  }

  @Test func whatIsRequiredIsNamed() throws {
    #expect(throws: ConfigurationError.self) { try table.load(environment: [:]) }
    do {
      _ = try table.load(environment: [:])
    } catch { #expect(error.key == "XX_NEEDED" && error.description.contains("required")) }
  }

  @Test func secretsAreNeitherPrintedNorRepeated() throws {
    let text = table.describe(try load(["XX_SECRET": "hunter2", "XX_NAME": "o'hara"]))
    #expect(!text.contains("hunter2"))
    #expect(text.contains("XX_SECRET=***"))
    #expect(refusal(["XX_SECRET": "hunter2", "XX_PORT": "hunter3"])?.description.contains("hunter") == false)
  }

  @Test func whatIsPrintedCanBeLoaded() throws {
    let given = ["XX_NAME": "a b \"c\" $d", "XX_SIZE": "1KiB", "XX_LIST": "x,y"]
    let text = table.describe(try load(given))
    let again = try table.load(environment: [:], file: ("printed", text))
    #expect(again[Self.name] == "a b \"c\" $d")
    #expect(again[Self.size] == 1024)
    #expect(again[Self.list] == ["x", "y"])
    for setting in table.settings { #expect(text.contains("# \(setting.doc)") && text.contains(setting.key)) }
    let uncommented = text.split(separator: "\n").map { $0.hasPrefix("#XX_") ? $0.dropFirst() : $0 }
      .filter { !$0.hasPrefix("XX_PATH=") && !$0.hasPrefix("XX_SECRET=") }.joined(separator: "\n")
    #expect(try table.load(environment: [:], file: ("defaults", uncommented))[Self.port] == 80)
  }
}
