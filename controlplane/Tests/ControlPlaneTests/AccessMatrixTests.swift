import Core
import Crypto
import HTTP
import HTTPServer
import JWT
import Postgres
import TestKit
import Testing

@testable import ControlPlane
@testable import Identity

/// Every route of every role with tokens × every kind of bad token, each scope and each role: the answer follows from
/// what the route declares, and from nothing else.
@Suite(.serialized) struct AccessMatrixTests {
  static let roles: [Role] = [.admin, .ingester, .query]

  /// Routes that anyone may call. A new one that asks for nothing has to be written down here, with its reason beside
  /// the route, or this test fails.
  static let withoutToken: Set<String> = [
    "GET /health/live", "GET /health/ready", "GET /metrics", "GET /version", "POST /api/v1/auth/token",
    "POST /api/v1/auth/introspect", "POST /api/v1/auth/revoke", "GET /api/v1/auth/jwks",
    "GET /.well-known/oauth-authorization-server", "POST /api/v1/auth/login", "POST /api/v1/auth/refresh",
  ]
  /// Routes for every token: about oneself.
  static let anyToken: Set<String> = [
    "POST /api/v1/auth/logout", "GET /api/v1/auth/me", "POST /api/v1/auth/totp", "POST /api/v1/auth/totp/confirm",
    "DELETE /api/v1/auth/totp", "GET /api/v1/auth/sessions", "DELETE /api/v1/auth/sessions/{id}",
    "POST /api/v1/admin-users/me/change-password",
  ]

  /// What a caller is, and what each route that asks for `scope` must say.
  struct Caller: Sendable {
    let name: String
    let header: String?
    let expected: @Sendable (Scope) -> Int?
    /// Whether it is somebody at all.
    let isKnown: Bool
  }

  @Test func everyRouteAnswersEveryCallerAsItDeclares() async throws {
    let harness = try await AssemblyHarness()
    let forged = try await harness.forgedTokens()
    var cells = 0
    for role in Self.roles {
      for route in harness.assembly.routes(of: role) {
        // Anew for each route: `logout` ends the token that it is called with.
        for caller in try await Self.callers(harness, forged) {
          let answer = try await harness.answer(route, of: role, authorization: caller.header)
          Self.check(answer, route, role, caller)
          cells += 1
        }
      }
    }
    #expect(cells > 3500, "\(cells)")
  }

  private static func check(_ answer: Response, _ route: Route, _ role: Role, _ caller: Caller) {
    let name = "\(role) \(route.method.rawValue) \(route.path) with \(caller.name)"
    let status = answer.status.rawValue
    let path = "\(route.method.rawValue) \(route.path)"
    let expected: Int?
    switch route.access {
    case .scope(let scope): expected = caller.expected(scope)
    case .anyToken:
      #expect(anyToken.contains(path), "\(path) takes any token, and is not in the list of those")
      expected = caller.isKnown ? nil : 401
    case .open, .proof:
      #expect(withoutToken.contains(path), "\(path) asks for nothing, and is not in the list of those that may")
      if case .proof = route.access { #expect(status >= 400, "\(name): \(status)") }
      if case .open = route.access { #expect([200, 503].contains(status), "\(name): \(status)") }
      return
    case .certificate, .session:
      Issue.record("\(name): there are no certificates and no sessions here")
      return
    }
    guard let expected else {
      #expect(status != 401, "\(name): \(status)")
      if case .scope = route.access { #expect(status != 403, "\(name): \(status)") }
      return
    }
    #expect(status == expected, "\(name): \(status)")
    #expect(answer.errorCode == (expected == 401 ? "UNAUTHORIZED" : "FORBIDDEN"), "\(name)")
    #expect((answer.headers["WWW-Authenticate"]?.hasPrefix("Bearer") ?? false) == (expected == 401), "\(name)")
  }

  private static func callers(_ harness: AssemblyHarness, _ forged: [ForgedTokens.Forgery]) async throws -> [Caller] {
    let nobody: @Sendable (Scope) -> Int? = { _ in 401 }
    let good = try await harness.token(Set(Scope.allCases))
    var callers = [
      Caller(name: "no token", header: nil, expected: nobody, isKnown: false),
      Caller(name: "an empty header", header: "", expected: nobody, isKnown: false),
      Caller(name: "an empty token", header: "Bearer ", expected: nobody, isKnown: false),
      Caller(name: "a good token by Basic", header: "Basic \(good)", expected: nobody, isKnown: false),
      Caller(name: "a good token by no scheme", header: good, expected: nobody, isKnown: false),
      Caller(name: "two tokens", header: "Bearer \(good) \(good)", expected: nobody, isKnown: false),
    ]
    for forgery in forged {
      callers.append(
        Caller(name: "\(forgery)", header: "Bearer \(forgery.text)", expected: nobody, isKnown: false))
    }
    for scope in Scope.allCases {
      let expected: @Sendable (Scope) -> Int? = { $0 == scope ? nil : 403 }
      let header = "Bearer \(try await harness.token([scope]))"
      callers.append(Caller(name: "only \(scope)", header: header, expected: expected, isKnown: true))
    }
    let none = "Bearer \(try await harness.token([]))"
    let admin = "Bearer \(try await harness.token([], .admin))"
    let readonly = "Bearer \(try await harness.token([], .readonly))"
    return callers + [
      Caller(name: "no scope", header: none, expected: { _ in 403 }, isKnown: true),
      Caller(name: "the role admin", header: admin, expected: { _ in nil }, isKnown: true),
      Caller(name: "the role readonly", header: readonly, expected: { $0.isRead ? nil : 403 }, isKnown: true),
    ]
  }

  @Test func noneOfThousandsOfMutationsIsAccepted() async throws {
    let harness = try await AssemblyHarness()
    let seed = TestSeed()
    let token = try await harness.token(Set(Scope.allCases), .admin)
    let mutations = try ForgedTokens.mutations(of: token, count: 2500, seed: seed)
    #expect(mutations.count >= 2000)
    let route = try #require(harness.assembly.routes(of: .admin).first { $0.path == "/api/v1/auth/me" })
    #expect(try await harness.answer(route, of: .admin, authorization: "Bearer \(token)").status == .ok)
    for text in mutations {
      let answer = try await harness.answer(route, of: .admin, authorization: "Bearer \(text)")
      #expect(answer.status.rawValue == 401, "\(text); \(seed)")
    }
  }

  @Test func aRevokedTokenIsRefusedEverywhere() async throws {
    let harness = try await AssemblyHarness()
    let token = try await harness.token(Set(Scope.allCases), .admin)
    let claims = try harness.identity.keys.verifier.verify(token)
    try await harness.identity.pool.transaction { connection in
      try await harness.identity.revocations.revoke(claims, on: connection)
    }
    for role in Self.roles {
      for route in harness.assembly.routes(of: role) {
        switch route.access {
        case .scope, .anyToken:
          let answer = try await harness.answer(route, of: role, authorization: "Bearer \(token)")
          #expect(answer.status.rawValue == 401, "\(route.path)")
        default: break
        }
      }
    }
  }
}

extension AssemblyHarness {
  /// What can be made from the signing key's public half and from tokens that were good once or elsewhere.
  func forgedTokens() async throws -> [ForgedTokens.Forgery] {
    let good = try identity.keys.verifier.verify(try await token(Set(Scope.allCases), .admin))
    let spki = try await identity.pool.query("SELECT spki FROM identity_signing_keys").scalar([UInt8].self)
    return try ForgedTokens(
      signer: try identity.keys.signer(), publicKey: try PublicKey(spki: spki), claims: good
    ).all()
  }

  func answer(_ route: Route, of role: Role, authorization: String?) async throws -> Response {
    var headers: HeaderFields = [:]
    if let authorization { headers["Authorization"] = authorization }
    let path = route.path.replacing(/\{[^}]*\}/, with: "8c6f2c2e-0000-4000-8000-000000000000")
    let body = [.post, .put, .patch].contains(route.method) ? Array("{}".utf8) : []
    let request = try Request.make(route.method, path, headers: headers, body: body)
    return await router(of: role).respond(to: request)
  }
}

extension Response {
  /// The contract's error code.
  fileprivate var errorCode: String? {
    guard case .bytes(let bytes) = body, case .object(let members)? = try? JSON.decode(JSONValue.self, from: bytes),
      case .object(let error)? = members["error"], case .string(let code)? = error["code"]
    else { return nil }
    return code
  }
}
