import Core
import HTTP
import JWT
import Testing

@testable import Identity

@Suite struct TokenEndpointTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let name: String
    let body: String
    var basic: String? = nil
    var type = "application/x-www-form-urlencoded"
    let status: Int
    let error: String?
    var testDescription: String { name }
  }

  /// `ID` and `SECRET` stand for those of a living account with files:read and files:write.
  static let cases = [
    Case(name: "basic", body: "grant_type=client_credentials", basic: "ID:SECRET", status: 200, error: nil),
    Case(
      name: "body", body: "grant_type=client_credentials&client_id=ID&client_secret=SECRET", status: 200, error: nil),
    Case(
      name: "fewer scopes", body: "grant_type=client_credentials&scope=files%3Aread", basic: "ID:SECRET", status: 200,
      error: nil),
    Case(name: "no grant", body: "", basic: "ID:SECRET", status: 400, error: "invalid_request"),
    Case(
      name: "password grant", body: "grant_type=password", basic: "ID:SECRET", status: 400,
      error: "unsupported_grant_type"),
    Case(name: "no client", body: "grant_type=client_credentials", status: 401, error: "invalid_client"),
    Case(
      name: "wrong secret", body: "grant_type=client_credentials", basic: "ID:ass_wrong", status: 401,
      error: "invalid_client"),
    Case(
      name: "empty secret", body: "grant_type=client_credentials", basic: "ID:", status: 401, error: "invalid_client"),
    Case(
      name: "unknown client", body: "grant_type=client_credentials", basic: "sa_nobody_1:SECRET", status: 401,
      error: "invalid_client"),
    Case(
      name: "injection as client", body: "grant_type=client_credentials&client_id='%20OR%201=1--&client_secret=x",
      status: 401, error: "invalid_client"),
    Case(
      name: "zero byte in client", body: "grant_type=client_credentials&client_id=a%00b&client_secret=x",
      status: 401, error: "invalid_client"),
    Case(
      name: "scope beyond", body: "grant_type=client_credentials&scope=admin:write", basic: "ID:SECRET", status: 400,
      error: "invalid_scope"),
    Case(
      name: "unknown scope", body: "grant_type=client_credentials&scope=files:read+fly", basic: "ID:SECRET",
      status: 400, error: "invalid_scope"),
    Case(
      name: "parameter twice", body: "grant_type=client_credentials&grant_type=client_credentials",
      basic: "ID:SECRET", status: 400, error: "invalid_request"),
    Case(
      name: "unknown parameter twice", body: "grant_type=client_credentials&scope=admin:write&x=1&x=2",
      basic: "ID:SECRET", status: 400, error: "invalid_scope"),
    Case(
      name: "two ways", body: "grant_type=client_credentials&client_secret=SECRET", basic: "ID:SECRET", status: 400,
      error: "invalid_request"),
    Case(
      name: "JSON body", body: #"{"grant_type":"client_credentials"}"#, basic: "ID:SECRET",
      type: "application/json", status: 400, error: "invalid_request"),
    Case(name: "broken escape", body: "grant_type=%zz", basic: "ID:SECRET", status: 400, error: "invalid_request"),
  ]

  @Test func everyCaseOfTheTable() async throws {
    let harness = try await IdentityHarness()
    let account = try await harness.account()
    let id = try #require(account["client_id"])
    let secret = try #require(account["client_secret"])
    #expect(id.hasPrefix("sa_scanner_"))
    for test in Self.cases {
      func fill(_ text: String) -> String { text.replacing("ID", with: id).replacing("SECRET", with: secret) }
      let answer = try await harness.form(
        "/api/v1/auth/token", fill(test.body), basic: test.basic.map(fill), headers: ["Content-Type": test.type])
      #expect(answer.status == test.status, "\(test.name): \(answer.text)")
      #expect(answer["error"] == test.error, "\(test.name)")
      #expect(answer.headers["Cache-Control"] == "no-store", "\(test.name)")
      if test.status == 401 { #expect(answer.headers["WWW-Authenticate"]?.hasPrefix("Basic") == true) }
      #expect(!answer.text.contains(secret), "\(test.name)")
    }
  }

  @Test func parametersInTheURLAreRefused() async throws {
    let harness = try await IdentityHarness()
    let answer = try await harness.form("/api/v1/auth/token?grant_type=client_credentials&client_secret=x", "")
    #expect(answer.status == 400)
    #expect(answer["error"] == "invalid_request")
  }

  @Test func aTokenSaysWhatItMaySay() async throws {
    let harness = try await IdentityHarness()
    let account = try await harness.account()
    let token = try await harness.token(of: account, scope: "files:read")
    let claims = try harness.identity.keys.verifier.verify(token)
    #expect(claims.scopes == [.filesRead])
    #expect(claims.audience == ["artstore"])
    #expect(claims.role == nil)
    #expect(claims.subject == account["client_id"])
    #expect(claims.expiresAt.since(claims.issuedAt) == .seconds(1800))
    // It opens nothing of administrators.
    #expect(try await harness.send(.get, "/api/v1/audit", token: token).status == 403)
    #expect(try await harness.send(.get, "/api/v1/auth/me", token: token).status == 200)
  }

  @Test func suspensionAndExpiryEndTheSecretAndItsTokens() async throws {
    let harness = try await IdentityHarness()
    let account = try await harness.account()
    let token = try await harness.token(of: account)
    let id = try #require(account["id"])
    let admin = try await harness.adminToken()
    let path = "/api/v1/service-accounts/\(id)"
    #expect(try await harness.send(.put, path, token: admin, body: #"{"status":"suspended"}"#).status == 200)
    #expect(try await harness.requestToken(of: account).status == 401)
    #expect(try await harness.send(.get, "/api/v1/auth/me", token: token).status == 401)
    #expect(try await harness.send(.put, path, token: admin, body: #"{"status":"active"}"#).status == 200)
    #expect(try await harness.requestToken(of: account).status == 200)
    harness.time.advance(.seconds(90 * 86_400 + 1))
    #expect(try await harness.requestToken(of: account).status == 401)
  }

  @Test func duringARotationTwoSecretsLive() async throws {
    let harness = try await IdentityHarness()
    let first = try await harness.account()
    let path = "/api/v1/service-accounts/\(try #require(first["id"]))/rotate-secret"
    let admin = try await harness.adminToken()
    harness.time.advance(.seconds(1))
    let second = try await harness.send(.post, path, token: admin)
    #expect(second.status == 200)
    #expect(try await harness.requestToken(of: first).status == 200)
    #expect(try await harness.requestToken(of: second).status == 200)
    harness.time.advance(.seconds(1))
    let third = try await harness.send(.post, path, token: admin)
    #expect(try await harness.requestToken(of: first).status == 401)
    #expect(try await harness.requestToken(of: second).status == 200)
    #expect(try await harness.requestToken(of: third).status == 200)
    harness.time.advance(.seconds(1))
    let fourth = try await harness.send(.post, path, token: admin, body: #"{"end_old":true,"secret_days":0}"#)
    #expect(try await harness.requestToken(of: third).status == 401)
    harness.time.advance(.seconds(400 * 86_400))
    #expect(try await harness.requestToken(of: fourth).status == 200, "0 days is for ever")
  }

  @Test func introspectionAndRevocation() async throws {
    let harness = try await IdentityHarness()
    let account = try await harness.account()
    let other = try await harness.account(name: "other")
    let token = try await harness.token(of: account)
    func introspect() async throws -> Answer {
      try await harness.form("/api/v1/auth/introspect", "token=\(token)", basic: harness.basic(other))
    }
    let live = try await introspect()
    #expect(live.json["active"] == .bool(true))
    #expect(live["sub"] == account["client_id"])
    #expect(try await harness.form("/api/v1/auth/introspect", "token=\(token)").status == 401)
    // Somebody else's token stays alive.
    #expect(try await harness.form("/api/v1/auth/revoke", "token=\(token)", basic: harness.basic(other)).status == 200)
    #expect(try await introspect().json["active"] == .bool(true))
    #expect(
      try await harness.form("/api/v1/auth/revoke", "token=\(token)", basic: harness.basic(account)).status == 200)
    #expect(try await introspect().json["active"] == .bool(false))
    #expect(try await harness.send(.get, "/api/v1/auth/me", token: token).status == 401)
    #expect(try await harness.form("/api/v1/auth/introspect", "token=x", basic: harness.basic(other)).status == 200)
    // Another replica hears of it.
    let replica = try await IdentityHarness(url: harness.url, time: harness.time, withAdministrator: false)
    #expect(try await replica.send(.get, "/api/v1/auth/me", token: token).status == 401)
  }

  @Test func metadataAndKeysAreThere() async throws {
    let harness = try await IdentityHarness()
    let metadata = try await harness.send(.get, "/.well-known/oauth-authorization-server")
    #expect(metadata["issuer"] == "https://admin.example.org")
    #expect(metadata["token_endpoint"] == "https://admin.example.org/api/v1/auth/token")
    let keys = try await harness.send(.get, "/api/v1/auth/jwks")
    guard case .array(let list)? = keys.json["keys"], case .object(let key)? = list.first else {
      Issue.record("no keys in \(keys.text)")
      return
    }
    #expect(list.count == 1)
    #expect(key["kty"] == .string("RSA"))
    #expect(key["alg"] == .string("RS256"))
    #expect(key["d"] == nil)
  }
}

extension IdentityHarness {
  func basic(_ account: Answer) -> String { "\(account["client_id"] ?? ""):\(account["client_secret"] ?? "")" }

  func requestToken(of account: Answer, scope: String? = nil) async throws -> Answer {
    try await form(
      "/api/v1/auth/token", "grant_type=client_credentials" + (scope.map { "&scope=\($0)" } ?? ""),
      basic: basic(account))
  }

  func token(of account: Answer, scope: String? = nil) async throws -> String {
    try #require(try await requestToken(of: account, scope: scope)["access_token"])
  }
}
