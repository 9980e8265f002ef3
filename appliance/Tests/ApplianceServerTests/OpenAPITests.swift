import ApplianceServer
import Core
import Crypto
import HTTP
import HTTPServer
import JWT
import TestKit
import Testing

/// `appliance/api/openapi.yaml` against the route table, both ways. The file is written so that this needs no YAML
/// parser:
/// paths at two spaces, methods at four, `x-access` at six, statuses at eight.
@Suite struct OpenAPITests {
  struct Operation: Hashable {
    var access = ""
    var statuses: Set<String> = []
  }

  static func operations() throws -> [String: Operation] {
    let here = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
    let bytes = try #require(try RealDiskText.read("/\(here)/api/openapi.yaml"))
    var found: [String: Operation] = [:]
    var path = ""
    var method = ""
    var isInPaths = false
    for line in bytes.split(separator: "\n", omittingEmptySubsequences: false) {
      if !line.hasPrefix(" "), !line.isEmpty { isInPaths = line.hasPrefix("paths:") }
      guard isInPaths else { continue }
      let text = line.drop { $0 == " " }
      switch line.count - text.count {
      case 2 where text.hasPrefix("/"): path = String(text.dropLast())
      case 4 where ["get:", "head:", "options:", "post:", "put:", "patch:", "delete:"].contains(text):
        method = text.dropLast().uppercased()
        found["\(method) \(path)"] = Operation()
      case 4: method = ""
      case 6 where text.hasPrefix("x-access: ") && !method.isEmpty:
        found["\(method) \(path)"]?.access = String(text.dropFirst("x-access: ".count))
      case 8 where text.hasPrefix("'") && !method.isEmpty:
        found["\(method) \(path)"]?.statuses.insert(String(text.dropFirst().prefix(3)))
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
    case .certificate(let roles):
      "certificate "
        + ["admin", "ingester", "query", "console", "client"].filter { name in
          roles.contains { $0.rawValue == name }
        }.joined(separator: " ")
    case .anyToken: "token"
    case .session: "session"
    }
  }

  @Test func fileAndRouteTableAgree() throws {
    let documented = try Self.operations()
    let target = try TestAppliance()
    var served: [String: String] = [:]
    for route in target.appliance.api.routes {
      served["\(route.method.rawValue) \(route.path)"] = Self.describe(route.access)
    }
    #expect(Set(served.keys).subtracting(documented.keys) == [], "served, not documented")
    #expect(Set(documented.keys).subtracting(served.keys) == [], "documented, not served")
    for (operation, access) in served {
      #expect(documented[operation]?.access == access, "\(operation)")
    }
  }

  @Test func everyOperationSaysWhichRefusalsItKnows() throws {
    for (name, operation) in try Self.operations() {
      if operation.access.hasPrefix("scope") {
        #expect(operation.statuses.isSuperset(of: ["401", "403"]), "\(name)")
      }
      if operation.access.hasPrefix("certificate") { #expect(operation.statuses.contains("403"), "\(name)") }
      #expect(!operation.statuses.isEmpty, "\(name)")
    }
  }
}
