import Configuration
import Core
import HTTP
import HTTPServer
import JWT
import Postgres
import PostgresTesting
import Reactor
import Telemetry

@testable import ControlPlane
@testable import Identity

/// Every role put together as the program does it, on a fresh database, called without sockets.
struct AssemblyHarness: Sendable {
  let assembly: Assembly
  var identity: IdentityService { assembly.foundations.identity }

  init() async throws {
    let values = try ControlPlaneSettings.table.load(
      environment: [
        "CP_DATABASE_URL": try PrivatePostgres.database(), "CP_MASTER_KEY": String(repeating: "0f", count: 32),
      ])
    let foundations = try Foundations(values, logger: .silent, loops: try EventLoopGroup(loops: 1))
    try await foundations.prepare(migrations: Schema.migrations)
    assembly = try await Assembly.make(foundations, roles: [.admin, .ingester, .query])
  }

  /// A token for the central roles.
  func token(
    _ scopes: Set<Scope>, _ role: AdminRole? = nil, life: Duration = .seconds(600)
  ) async throws -> String {
    let identity = identity
    return try await identity.pool.withConnection { connection in
      try await identity.tokens.issue(
        subject: "walker", scopes: scopes, role: role, lifetime: life, on: connection
      ).text
    }
  }

  /// The status of one call; nothing the path could name exists.
  func status(_ route: Route, of role: Role, token: String?) async throws -> Int {
    var headers: HeaderFields = [:]
    if let token { headers["Authorization"] = "Bearer \(token)" }
    let path = route.path.replacing(/\{[^}]*\}/, with: "8c6f2c2e-0000-4000-8000-000000000000")
    let body = [.post, .put, .patch].contains(route.method) ? Array("{}".utf8) : []
    let request = try Request.make(route.method, path, headers: headers, body: body)
    return await assembly.router(of: role).respond(to: request).status.rawValue
  }
}
