internal import Core
internal import HTTP
internal import HTTPServer
internal import JWT

/// Login of people: `/api/v1/auth/login`, `refresh`, `logout`, `me`, `totp`.
struct SessionRoutes: Sendable {
  let identity: IdentityService

  var routes: [Route] {
    let login = Access.proof(reason: "login and password, checked by the handler")
    let refresh = Access.proof(reason: "the refresh token, checked by the handler")
    return [
      Route(.post, "/api/v1/auth/login", login, bodyLimit: 4096, self.login),
      Route(.post, "/api/v1/auth/refresh", refresh, bodyLimit: 4096, self.refresh),
      Route(.post, "/api/v1/auth/logout", .anyToken, bodyLimit: 4096, self.logout),
      Route(.get, "/api/v1/auth/me", .anyToken, self.me),
      Route(.post, "/api/v1/auth/totp", .anyToken, bodyLimit: 4096, self.offer),
      Route(.post, "/api/v1/auth/totp/confirm", .anyToken, bodyLimit: 4096, self.confirm),
      Route(.delete, "/api/v1/auth/totp", .anyToken, bodyLimit: 4096, self.removeSecondFactor),
    ] + SessionListRoutes(identity: identity).routes
  }

  private struct LoginBody: Decodable {
    var login: String
    var password: String
    var totpCode: String?

    enum CodingKeys: String, CodingKey, CaseIterable {
      case login, password
      case totpCode = "totp_code"
    }
  }

  private struct RefreshBody: Decodable {
    var refreshToken: String?

    enum CodingKeys: String, CodingKey, CaseIterable {
      case refreshToken = "refresh_token"
    }
  }

  private struct CodeBody: Decodable {
    var code: String

    enum CodingKeys: String, CodingKey, CaseIterable { case code }
  }

  @Sendable private func login(_ request: Request) async throws -> Response {
    let body = try await request.strictJSON(LoginBody.self, keys: LoginBody.CodingKeys.self)
    let actor = request.actor
    let tokens = try await identity.sessions.login(
      login: body.login, password: body.password, code: body.totpCode, source: actor.source, trace: actor.trace)
    return try answer(tokens)
  }

  @Sendable private func refresh(_ request: Request) async throws -> Response {
    let body = try await request.strictJSON(RefreshBody.self, keys: RefreshBody.CodingKeys.self)
    guard let token = body.refreshToken else { throw APIError(.validation, "refresh_token is missing") }
    let actor = request.actor
    return try answer(try await identity.sessions.refresh(token, source: actor.source, trace: actor.trace))
  }

  @Sendable private func logout(_ request: Request) async throws -> Response {
    let isEmpty = request.body.declaredLength == 0 || !request.head.hasBody
    let refresh =
      isEmpty
      ? nil : try await request.strictJSON(RefreshBody.self, keys: RefreshBody.CodingKeys.self).refreshToken
    let claims = try identity.claims(of: request)
    try await identity.sessions.logout(access: claims, refresh: refresh, by: request.actor)
    return .empty(.noContent)
  }

  @Sendable private func me(_ request: Request) async throws -> Response {
    let principal = request.principal
    let administrator = try await Self.found { try await identity.administrators.get(login: principal.subject) }
    let encoded = try administrator.map { try JSON.encode($0) }
    return .json { json in
      json.member("subject", principal.subject)
      json.key("role")
      if let role = principal.role { json.string(role.rawValue) } else { json.null() }
      json.key("scopes")
      json.array { json in for scope in principal.scopes.map(\.rawValue).sorted() { json.string(scope) } }
      json.key("administrator")
      if let encoded { json.raw(encoded) } else { json.null() }
    }
  }

  @Sendable private func offer(_ request: Request) async throws -> Response {
    try Self.uncached(
      .json(.created, try await identity.secondFactor.offer(to: try await administrator(request))))
  }

  @Sendable private func confirm(_ request: Request) async throws -> Response {
    let body = try await request.strictJSON(CodeBody.self, keys: CodeBody.CodingKeys.self)
    let codes = try await identity.secondFactor.confirm(
      body.code, of: try await administrator(request), by: request.actor)
    return Self.uncached(
      .json { json in
        json.key("recovery_codes")
        json.array { json in for code in codes { json.string(code) } }
      })
  }

  @Sendable private func removeSecondFactor(_ request: Request) async throws -> Response {
    let body = try await request.strictJSON(CodeBody.self, keys: CodeBody.CodingKeys.self)
    try await identity.secondFactor.remove(body.code, of: try await administrator(request), by: request.actor)
    return .empty(.noContent)
  }

  /// The administrator behind the token; programs have no second factor.
  func administrator(_ request: Request) async throws -> Administrator {
    let subject = request.principal.subject
    guard let administrator = try await Self.found({ try await identity.administrators.get(login: subject) }) else {
      throw APIError(.forbidden, "this is for administrators; log in with login and password")
    }
    return administrator
  }

  private static func found<T>(_ body: () async throws -> T) async throws -> T? {
    do { return try await body() } catch let error as APIError where error.code == .notFound { return nil }
  }

  private func answer(_ tokens: SessionTokens) throws -> Response {
    let administrator = try JSON.encode(tokens.administrator)
    return Self.uncached(
      .json { json in
        json.member("access_token", tokens.access.text)
        json.member("token_type", "Bearer")
        json.member("expires_in", tokens.access.lifetimeSeconds)
        json.member("refresh_token", tokens.refresh)
        json.member("refresh_expires_at", tokens.refreshExpiresAt)
        json.member("must_change_password", tokens.administrator.mustChangePassword)
        json.key("administrator")
        json.raw(administrator)
      })
  }

  static func uncached(_ response: Response) -> Response {
    var response = response
    response.headers["Cache-Control"] = "no-store"
    return response
  }
}
