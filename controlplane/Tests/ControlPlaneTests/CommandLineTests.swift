import Configuration
import Reactor
import Testing

@testable import ControlPlane

@Suite struct CommandLineTests {
  @Test func wordsAndOptions() throws {
    #expect(try CommandLine.parse([]) == CommandLine())
    let serve = try CommandLine.parse(["serve", "--roles", "admin,query", "--config", "/etc/x"])
    #expect(serve == CommandLine(command: .serve, roles: ["admin", "query"], configurationFile: "/etc/x"))
    #expect(try CommandLine.parse(["--roles=query"]).roles == ["query"])
    #expect(try CommandLine.parse(["audit", "verify", "--json"]).command == .auditVerify(json: true))
    #expect(try CommandLine.parse(["--version"]).command == .version)
  }

  @Test(arguments: [["--role", "x"], ["--roles"], ["fly"], ["audit"], ["serve", "now"]])
  func nonsenseIsRefused(arguments: [String]) {
    #expect(throws: CommandError.self) { try CommandLine.parse(arguments) }
  }

  @Test func unknownRolesAreNamed() {
    #expect { try Role.parse(["query", "butler"]) } throws: { "\($0)".contains("butler") }
    #expect(throws: CommandError.self) { try Role.parse([]) }
  }

  @Test func everySettingIsExplained() throws {
    let values = try ControlPlaneSettings.table.load(environment: ["CP_DATABASE_URL": "postgresql://u:secret@h/d"])
    let text = ControlPlaneSettings.table.describe(values)
    for setting in ControlPlaneSettings.table.settings { #expect(text.contains(setting.key)) }
    #expect(!text.contains("u:secret"))
  }

  @Test(arguments: [
    ["CP_DATABASE_URL": ""], [:], ["CP_DATABASE_URL": "d", "CP_QUERY_ADDRESS": "nonsense"],
    ["CP_DATABASE_URL": "d", "CP_NO_SUCH_KEY": "1"],
  ])
  func badSettingsAreRefusedByName(environment: [String: String]) {
    let key = environment.keys.sorted().last ?? "CP_DATABASE_URL"
    #expect {
      try ControlPlaneSettings.table.load(environment: environment)
    } throws: {
      "\($0)".contains(key)
    }
  }

  @Test func plainListenersStayOnLoopback() throws {
    func address(_ text: String, plain: Bool = false, tls: Bool = false) throws -> String {
      let values = try ControlPlaneSettings.table.load(
        environment: [
          "CP_DATABASE_URL": "d", "CP_ADMIN_ADDRESS": text, "CP_ALLOW_PLAIN": plain ? "true" : "false",
        ])
      return try Listeners.address(of: .admin, values, hasTLS: tls).description
    }
    #expect(try address("127.0.0.1:0") == "127.0.0.1:0")
    #expect(throws: CommandError.self) { try address("0.0.0.0:8000") }
    #expect(try address("0.0.0.0:8000", plain: true) == "0.0.0.0:8000")
    #expect(try address("0.0.0.0:8000", tls: true) == "0.0.0.0:8000")
  }
}
