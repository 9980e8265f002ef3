import Core
import HTTP
import HTTPServer
import JWT
import Postgres
import Testing

@testable import ControlPlane
@testable import Identity

/// Walks every route of every role with no token, with every wrong scope, with the right one, and as each role.
@Suite(.serialized) struct AccessTests {
  static let bearerRoles: [Role] = [.admin, .ingester, .query]

  @Test func everyRouteAsksForWhatItSays() async throws {
    let harness = try await AssemblyHarness()
    let admin = try await harness.token(AdminRole.admin.scopes, .admin)
    let readonly = try await harness.token(AdminRole.readonly.scopes, .readonly)
    let forAppliances = try harness.identity.tokens.mint(
      audience: "storage:1", subject: "ingester", actsFor: nil, scopes: Set(Scope.allCases)
    ).text
    var walked = 0
    for role in Self.bearerRoles {
      for route in harness.assembly.routes(of: role) {
        let name = "\(role) \(route.method.rawValue) \(route.path)"
        guard case .scope(let scope) = route.access else { continue }
        walked += 1
        #expect(try await harness.status(route, of: role, token: nil) == 401, "\(name)")
        #expect(try await harness.status(route, of: role, token: "nonsense") == 401, "\(name)")
        #expect(try await harness.status(route, of: role, token: forAppliances) == 401, "\(name)")
        let others = Set(Scope.allCases).subtracting([scope])
        #expect(try await harness.status(route, of: role, token: try await harness.token(others)) == 403, "\(name)")
        let fitting = try await harness.token([scope])
        #expect(![401, 403].contains(try await harness.status(route, of: role, token: fitting)), "\(name)")
        let asReadonly = try await harness.status(route, of: role, token: readonly)
        #expect((asReadonly == 403) == !scope.isRead, "\(name): \(asReadonly)")
        #expect(![401, 403].contains(try await harness.status(route, of: role, token: admin)), "\(name)")
        // Whatever only reads asks for a scope that reads, and the other way round; searching is a POST that reads.
        if route.path != "/api/v1/search" { #expect(scope.isRead == (route.method == .get), "\(name)") }
      }
    }
    #expect(walked > 35)
  }

  @Test func theRestIsOpenForAReasonOrTakesAnyToken() async throws {
    let harness = try await AssemblyHarness()
    for role in Self.bearerRoles {
      for route in harness.assembly.routes(of: role) {
        let name = "\(role) \(route.method.rawValue) \(route.path)"
        switch route.access {
        case .scope: break
        case .anyToken: #expect(try await harness.status(route, of: role, token: nil) == 401, "\(name)")
        case .open(let reason), .proof(let reason): #expect(reason.count > 10, "\(name)")
        case .certificate, .session: Issue.record("\(name) cannot be called here")
        }
      }
    }
  }

  /// Nothing of the admin API answers on the other roles' ports.
  @Test func rolesAnswerOnlyTheirOwn() async throws {
    let harness = try await AssemblyHarness()
    for route in harness.assembly.routes(of: .admin) where route.path.hasPrefix("/api/v1/a") {
      #expect(try await harness.status(route, of: .query, token: nil) == 404, "\(route.path)")
      #expect(try await harness.status(route, of: .ingester, token: nil) == 404, "\(route.path)")
    }
  }

  @Test func healthAnswersWithoutAToken() async throws {
    let harness = try await AssemblyHarness()
    for role in Self.bearerRoles {
      let request = try Request.make(.get, "/health/ready")
      let ready = await harness.assembly.router(of: role).respond(to: request)
      #expect(ready.status == .ok)
    }
  }

  /// SQL in every place a client can write to: no 500.
  @Test func injectionsAreOnlyText() async throws {
    let harness = try await AssemblyHarness()
    let admin = try await harness.token(AdminRole.admin.scopes, .admin)
    for text in ["'", "'; DROP TABLE files; --", "\\", "%", "_", "$1", "\u{0}", "ё\u{301}", "\u{202E}"] {
      for (role, method, path, body) in Self.calls(with: text) {
        let headers: HeaderFields = ["Authorization": "Bearer \(admin)"]
        // The parser refuses control characters in paths before any handler sees them.
        guard let request = try? Request.make(method, path, headers: headers, body: Array(body.utf8)) else { continue }
        let response = await harness.assembly.router(of: role).respond(to: request)
        #expect(response.status.rawValue < 500, "\(path) \(body)")
      }
    }
    #expect(try await harness.assembly.foundations.pool.query("SELECT count(*) FROM files").scalar(Int.self) == 0)
  }

  private static func calls(with text: String) -> [(Role, HTTPMethod, String, String)] {
    let encoded = PercentEncoding.encode(text)
    let quoted = String(decoding: JSONWriter.document { $0.string(text) }, as: UTF8.self)
    return [
      (.admin, .get, "/api/v1/audit?actor=\(encoded)&action=\(encoded)&target=\(encoded)", ""),
      (.admin, .get, "/api/v1/files?uploaded_by=\(encoded)", ""),
      (.admin, .get, "/api/v1/service-accounts?cursor=\(encoded)", ""),
      (.admin, .get, "/api/v1/storage-elements/\(encoded)", ""),
      (.admin, .post, "/api/v1/auth/login", #"{"login":\#(quoted),"password":\#(quoted)}"#),
      (.admin, .post, "/api/v1/auth/refresh", #"{"refresh_token":\#(quoted)}"#),
      (.admin, .post, "/api/v1/admin-users", #"{"login":\#(quoted),"role":"admin"}"#),
      (.query, .post, "/api/v1/search", #"{"query":\#(quoted),"mode":"fulltext","tags":[\#(quoted)]}"#),
      (.query, .post, "/api/v1/search", #"{"query":\#(quoted),"mode":"partial","uploaded_by":\#(quoted)}"#),
      (.query, .post, "/api/v1/search", #"{"query":\#(quoted),"mode":"exact","cursor":\#(quoted)}"#),
      (.query, .get, "/api/v1/search/suggest?q=\(encoded)", ""),
    ]
  }
}
