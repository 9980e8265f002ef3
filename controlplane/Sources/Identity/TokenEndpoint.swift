internal import Core
internal import HTTP
internal import HTTPServer
internal import JWT
internal import Postgres
internal import Reactor
internal import Synchronization

/// OAuth 2.0 for programs: token (RFC 6749 §4.4), introspection (RFC 7662), revocation (RFC 7009), metadata (RFC 8414),
/// key set (RFC 7517).
struct TokenEndpoint: Sendable {
  let identity: IdentityService
  /// Audit entries about clients nobody knows, per minute: beyond, they are only counted.
  private let throttle = AuditThrottle(entriesPerMinute: 120)

  init(identity: IdentityService) { self.identity = identity }

  var routes: [Route] {
    let proof = Access.proof(reason: "the client's secret, checked by the handler")
    let open = Access.open(reason: "public keys and addresses, needed before one has a token")
    return [
      Route(.post, "/api/v1/auth/token", proof, bodyLimit: 16_384) { request in
        try await Self.oauth { try await self.token(request) }
      },
      Route(.post, "/api/v1/auth/introspect", proof, bodyLimit: 16_384) { request in
        try await Self.oauth { try await self.introspect(request) }
      },
      Route(.post, "/api/v1/auth/revoke", proof, bodyLimit: 16_384) { request in
        try await Self.oauth { try await self.revoke(request) }
      },
      Route(.get, "/api/v1/auth/jwks", open) { _ in try self.jwks() },
      Route(.get, "/.well-known/oauth-authorization-server", open) { _ in self.metadata() },
    ]
  }

  private static func oauth(_ body: () async throws -> Response) async throws -> Response {
    do { return try await body() } catch let error as OAuthError { return error.response }
  }

  private func token(_ request: Request) async throws -> Response {
    let form = try await OAuthForm(request)
    guard let grant = form.fields["grant_type"] else { throw OAuthError(.invalidRequest, "grant_type is missing") }
    guard grant == "client_credentials" else {
      throw OAuthError(.unsupportedGrantType, "only client_credentials is supported here")
    }
    let account = try await client(of: form, request, for: .token)
    let scopes = try Self.scopes(asked: form.fields["scope"], allowed: account.scopes)
    let token = try await identity.pool.withConnection { connection in
      try await self.identity.tokens.issue(
        subject: account.clientID, scopes: scopes, role: nil, lifetime: self.identity.settings.accessTokenLife,
        on: connection)
    }
    try await identity.serviceAccounts.noteUse(of: account)
    let scopeText = scopes.map(\.rawValue).sorted().joined(separator: " ")
    let actor = request.actor(as: account.clientID)
    try await identity.audit.record(
      actor.did(
        "token.issue", on: account.clientID,
        details: ["scope": .string(scopeText), "jti": .string(token.claims.tokenID)]))
    var response = Response.json { json in
      json.member("access_token", token.text)
      json.member("token_type", "Bearer")
      json.member("expires_in", token.lifetimeSeconds)
      json.member("scope", scopeText)
    }
    response.headers["Cache-Control"] = "no-store"
    response.headers["Pragma"] = "no-cache"
    return response
  }

  /// Whoever sent the form, proven by its secret. The answer never tells whether id or secret was wrong.
  private func client(
    of form: OAuthForm, _ request: Request, for endpoint: AttemptBudgets.Endpoint
  ) async throws -> ServiceAccount {
    guard let id = form.clientID, let secret = form.clientSecret, !id.isEmpty else {
      throw OAuthError(.invalidClient, "client_id and client_secret are needed, by HTTP Basic or in the body")
    }
    let budgets = identity.budgets
    let attempt = budgets.begin(endpoint, address: request.client, account: id)
    if let account = try await identity.serviceAccounts.authenticate(clientID: id, secret: secret) {
      budgets.succeeded(attempt)
      return account
    }
    try budgets.requireBudget(attempt)
    budgets.failed(attempt)
    if let suppressed = throttle.admit(at: identity.time.uptime()) {
      let action = endpoint == .token ? "token.issue" : "token.\(endpoint.rawValue)"
      let actor = request.actor(as: id)
      let details: [String: JSONValue] = suppressed == 0 ? [:] : ["suppressed": .integer(Int64(suppressed))]
      try await identity.audit.record(actor.did(action, result: .refused, details: details))
    }
    throw OAuthError(.invalidClient, "client id or secret is wrong, or the account is suspended or its secret expired")
  }

  /// All allowed ones when none are asked for (RFC 6749 §3.3).
  private static func scopes(asked: String?, allowed: [Scope]) throws -> Set<Scope> {
    guard let asked, !asked.isEmpty else { return Set(allowed) }
    var scopes: Set<Scope> = []
    for name in asked.split(separator: " ") {
      guard let scope = Scope(rawValue: String(name)), allowed.contains(scope) else {
        throw OAuthError(
          .invalidScope,
          "not among this client's scopes; they are \(allowed.map(\.rawValue).sorted().joined(separator: " "))")
      }
      scopes.insert(scope)
    }
    guard !scopes.isEmpty else { throw OAuthError(.invalidScope, "scope names nothing") }
    return scopes
  }

  /// For resource servers that cannot check signatures. Asked by a client with its secret, or with any valid token.
  private func introspect(_ request: Request) async throws -> Response {
    let form = try await OAuthForm(request)
    if request.head.header("Authorization")?.lowercased().hasPrefix("bearer ") == true {
      _ = try identity.claims(of: request)
    } else {
      _ = try await client(of: form, request, for: .introspect)
    }
    guard let token = form.fields["token"] else { throw OAuthError(.invalidRequest, "token is missing") }
    let access = verified(token)
    let refresh = access == nil ? try await identity.sessions.inspect(token) : nil
    var response = Response.json { json in
      json.member("active", access != nil || refresh != nil)
      if let claims = access {
        json.member("sub", claims.subject)
        json.member("scope", claims.scopes.map(\.rawValue).sorted().joined(separator: " "))
        json.member("token_type", "Bearer")
        json.member("iss", identity.keys.issuer)
        json.member("aud", Identity.audience)
        json.member("iat", claims.issuedAt.seconds)
        json.member("exp", claims.expiresAt.seconds)
        json.member("jti", claims.tokenID)
        if let role = claims.role { json.member("role", role.rawValue) }
      } else if let refresh {
        json.member("sub", refresh.login)
        json.member("token_type", "refresh_token")
        json.member("iat", refresh.issuedAt.seconds)
        json.member("exp", refresh.expiresAt.seconds)
      }
    }
    response.headers["Cache-Control"] = "no-store"
    return response
  }

  /// A client may end its own tokens, a person its own; a token of somebody else, or no token at all, answers 200 as
  /// well (RFC 7009 §2.2).
  private func revoke(_ request: Request) async throws -> Response {
    let form = try await OAuthForm(request)
    let subject: String
    if request.head.header("Authorization")?.lowercased().hasPrefix("bearer ") == true {
      subject = try identity.claims(of: request).subject
    } else {
      subject = try await client(of: form, request, for: .revoke).clientID
    }
    guard let token = form.fields["token"] else { throw OAuthError(.invalidRequest, "token is missing") }
    if let claims = verified(token) {
      guard claims.subject == subject else { return .empty(.ok) }
      let actor = request.actor(as: subject)
      try await identity.pool.transaction { connection in
        try await self.identity.revocations.revoke(claims, on: connection)
        try await self.identity.audit.record(actor.did("token.revoke", on: claims.tokenID), on: connection)
      }
    } else {
      try await identity.sessions.revoke(token, of: subject)
    }
    return .empty(.ok)
  }

  private func verified(_ token: String) -> TokenClaims? {
    do throws(TokenError) {
      let claims = try identity.keys.verifier.verify(token)
      return identity.revocations.covers(claims) ? nil : claims
    } catch {
      return nil
    }
  }

  private func jwks() throws -> Response {
    var response = try Response.json(.ok, identity.keys.jwks)
    response.headers["Cache-Control"] = "public, max-age=300"
    return response
  }

  private func metadata() -> Response {
    let issuer = identity.keys.issuer
    var response = Response.json { json in
      json.member("issuer", issuer)
      json.member("token_endpoint", issuer + "/api/v1/auth/token")
      json.member("jwks_uri", issuer + "/api/v1/auth/jwks")
      json.member("introspection_endpoint", issuer + "/api/v1/auth/introspect")
      json.member("revocation_endpoint", issuer + "/api/v1/auth/revoke")
      for key: StaticString in [
        "token_endpoint_auth_methods_supported", "introspection_endpoint_auth_methods_supported",
        "revocation_endpoint_auth_methods_supported",
      ] {
        json.key(key)
        json.array { json in
          json.string("client_secret_basic")
          json.string("client_secret_post")
        }
      }
      json.key("grant_types_supported")
      json.array { $0.string("client_credentials") }
      // Required, and lists without an element may not be sent (RFC 8414 §2, §3.2): there is no authorization endpoint.
      json.key("response_types_supported")
      json.array { $0.string("none") }
      json.key("scopes_supported")
      json.array { json in for scope in Scope.allCases { json.string(scope.rawValue) } }
    }
    response.headers["Cache-Control"] = "public, max-age=3600"
    return response
  }
}

/// Lets so many audit entries a minute through, so that strangers cannot fill the log; the rest is counted.
final class AuditThrottle: Sendable {
  private let entriesPerMinute: Int
  private let state = Mutex(State())

  private struct State {
    var windowStart: Duration = .zero
    var admitted = 0
    var suppressed = 0
  }

  init(entriesPerMinute: Int) { self.entriesPerMinute = entriesPerMinute }

  /// How many were left out since the last admitted one; nil: leave this one out.
  func admit(at now: Duration) -> Int? {
    state.withLock { state in
      if now - state.windowStart >= .seconds(60) {
        state.windowStart = now
        state.admitted = 0
      }
      guard state.admitted < entriesPerMinute else {
        state.suppressed += 1
        return nil
      }
      state.admitted += 1
      defer { state.suppressed = 0 }
      return state.suppressed
    }
  }
}
