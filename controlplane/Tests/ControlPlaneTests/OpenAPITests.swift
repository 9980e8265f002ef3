import Core
import HTTP
import HTTPServer
import JWT
import Testing

@testable import ControlPlane

/// `controlplane/api/*.yaml` against the route tables, both ways. The files are written so that this needs no YAML
/// parser:
/// paths at two spaces, methods at four, `x-access` at six, statuses at eight.
@Suite struct OpenAPITests {
  struct Operation: Hashable {
    var access = ""
    var statuses: Set<String> = []
  }

  static func operations(of role: Role) throws -> [String: Operation] {
    let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
    let text = try SmallFile.read("/\(root)/api/\(role.rawValue).yaml", for: "the OpenAPI file")
    var found: [String: Operation] = [:]
    var path = ""
    var name = ""
    var isInPaths = false
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      if !line.hasPrefix(" "), !line.isEmpty { isInPaths = line.hasPrefix("paths:") }
      guard isInPaths else { continue }
      let words = line.drop { $0 == " " }
      switch line.count - words.count {
      case 2 where words.hasPrefix("/"): path = String(words.dropLast())
      case 4 where words.hasSuffix(":"):
        name = "\(words.dropLast().uppercased()) \(path)"
        found[name] = Operation()
      case 6 where words.hasPrefix("x-access: "):
        found[name]?.access = String(words.dropFirst("x-access: ".count))
      case 8 where words.hasPrefix("'"):
        found[name]?.statuses.insert(String(words.dropFirst().prefix(3)))
      default: break
      }
    }
    return found
  }

  static func describe(_ access: Access) -> String {
    switch access {
    case .open: "open"
    case .proof: "proof"
    case .scope(let scope): "scope \(scope.rawValue)"
    case .anyToken: "any token"
    case .certificate: "certificate"
    case .session: "session"
    }
  }

  @Test func filesAndRouteTablesAgree() async throws {
    let harness = try await AssemblyHarness()
    for role in AccessTests.bearerRoles {
      let documented = try Self.operations(of: role)
      var served: [String: String] = [:]
      for route in harness.assembly.routes(of: role) {
        served["\(route.method.rawValue) \(route.path)"] = Self.describe(route.access)
      }
      #expect(Set(served.keys).subtracting(documented.keys) == [], "\(role): served, not documented")
      #expect(Set(documented.keys).subtracting(served.keys) == [], "\(role): documented, not served")
      for (operation, access) in served { #expect(documented[operation]?.access == access, "\(role) \(operation)") }
    }
  }

  @Test func everyOperationSaysWhichRefusalsItKnows() throws {
    for role in AccessTests.bearerRoles {
      for (name, operation) in try Self.operations(of: role) {
        if operation.access.hasPrefix("scope") {
          #expect(operation.statuses.isSuperset(of: ["401", "403", "503"]), "\(role) \(name)")
        }
        if operation.access == "any token" { #expect(operation.statuses.contains("401"), "\(role) \(name)") }
        #expect(operation.statuses.contains { $0.hasPrefix("2") }, "\(role) \(name)")
      }
    }
  }
}
