internal import Core
internal import Crypto
internal import HTTP
internal import HTTPServer
internal import JWT

/// Finds the session of a request, and decides whether it may pass. Its rules hold for every route of the console.
struct SessionGate: Authorizer {
  let sessions: any SessionStore
  let identity: any ConsoleIdentity
  let time: any TimeSource
  let random: any RandomSource

  /// The key under which a session is kept: a hash of what the browser holds.
  static func key(of token: String) -> String { SHA256.digest(token.utf8).description }

  /// Live, of an administrator who is still active, with the role of this moment.
  func session(of request: Request) async throws -> (key: String, session: Session)? {
    guard let token = Cookie.session.value(in: request), token.utf8.count <= 100 else { return nil }
    let key = Self.key(of: token)
    guard var session = try await sessions.session(key) else { return nil }
    let now = time.now()
    guard session.isLive(at: now), let role = try await identity.currentRole(of: session.administratorID) else {
      try await sessions.remove(key)
      return nil
    }
    session.role = role
    // Live tiles are no sign that anybody is there: a session that only listens ends like an idle one.
    if request.path != "/events", now.since(session.lastSeenAt) >= Session.touchInterval {
      try await sessions.touch(key, at: now)
    }
    return (key, session)
  }

  func authorize(_ request: Request, for access: Access) async throws(APIError) -> Principal {
    switch access {
    case .open, .proof: return .nobody
    case .session(let write): return try await authorize(request, write: write)
    case .certificate, .scope, .anyToken:
      throw APIError(.forbidden, "the console takes sessions only; call the API's own address with a token")
    }
  }

  private func authorize(_ request: Request, write: Bool) async throws(APIError) -> Principal {
    let isReading = request.method == .get || request.method == .head
    guard isReading || CSRF.comesFromHere(request) else { throw Self.foreign }
    let found: (key: String, session: Session)?
    do {
      found = try await session(of: request)
    } catch {
      throw APIError(
        .adminUnavailable, "your session could not be looked up just now; try again in a moment", cause: error)
    }
    guard let found else { throw Self.signInFirst(request, returns: isReading) }
    if write, found.session.role != .admin { throw Self.readonly }
    return Principal(subject: found.session.login, role: found.session.role)
  }

  static let foreign = APIError(.forbidden, "the request came from another site; nothing was changed")
  static let readonly = APIError(
    .forbidden, "your role may look at everything but change nothing; ask an administrator")

  /// A browser is led to the login page; a script is told so.
  static func signInFirst(_ request: Request, returns: Bool) -> APIError {
    let next = returns ? Link(local: request.head.rawTarget)?.text : nil
    let link = Link("/login").query([("next", next == "/" ? nil : next)])
    if request.head.header("HX-Request") != nil {
      return APIError(.unauthorized, "sign in first", headers: ["HX-Redirect": "/login"])
    }
    if request.path == "/events" || request.head.header("Accept") == "application/json" {
      return APIError(.unauthorized, "sign in first")
    }
    return APIError(.unauthorized, "sign in first", headers: ["Location": link.text], status: .seeOther)
  }

  /// Starts a session; answers what the browser is to hold.
  func begin(_ signedIn: SignedIn) async throws -> String {
    let token = Base64.url.encode(random.bytes(32))
    let now = time.now()
    try await sessions.insert(
      Self.key(of: token),
      Session(
        administratorID: signedIn.id, login: signedIn.login, role: signedIn.role,
        csrfToken: Base64.url.encode(random.bytes(32)), mustChangePassword: signedIn.mustChangePassword,
        createdAt: now, lastSeenAt: now))
    return token
  }
}
