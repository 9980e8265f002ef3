internal import Core
public import Crypto
public import HTTP
public import JWT

/// Bearer tokens (RFC 6750) and certificate roles. What most servers need; the console has its own for sessions.
public struct BearerAuthorizer: Authorizer {
  private let verifier: TokenVerifier
  private let requiredPeerRoles: Set<PeerRole>?
  private let isRevoked: (@Sendable (TokenClaims) -> Bool)?

  /// `requiredPeerRoles`: token or not, the peer's certificate must have one of them; nil where the listener has no
  /// client certificates. `isRevoked` is asked on every use of a token and must be quick.
  public init(
    verifier: TokenVerifier, requiredPeerRoles: Set<PeerRole>? = nil,
    isRevoked: (@Sendable (TokenClaims) -> Bool)? = nil
  ) {
    self.verifier = verifier
    self.requiredPeerRoles = requiredPeerRoles
    self.isRevoked = isRevoked
  }

  public func authorize(_ request: Request, for access: Access) async throws(APIError) -> Principal {
    try decide(request, access)
  }

  public func authorizeAtOnce(_ request: Request, for access: Access) throws(APIError) -> Principal? {
    try decide(request, access)
  }

  /// `authorize`, which here never waits.
  public func decide(_ request: Request, _ access: Access) throws(APIError) -> Principal {
    switch access {
    case .open, .proof:
      return Principal(subject: request.peer?.uri ?? "", peer: request.peer)
    case .certificate(let roles):
      return try peer(request, among: roles)
    case .anyToken:
      return try bearer(request)
    case .scope(let scope):
      let principal = try bearer(request)
      guard principal.may(scope) else {
        throw APIError(.forbidden, "this needs the scope \(scope.rawValue), which the token does not have")
      }
      return principal
    case .session:
      throw APIError(.forbidden, "this is for the web console's sessions, not for tokens")
    }
  }

  private func peer(_ request: Request, among roles: Set<PeerRole>) throws(APIError) -> Principal {
    guard let peer = request.peer else {
      throw APIError(.unauthorized, "this needs a client certificate of the fleet")
    }
    guard roles.contains(peer.role) else {
      let names = roles.map(\.rawValue).sorted().joined(separator: ", ")
      throw APIError(.forbidden, "this needs a client certificate with one of the roles \(names)")
    }
    return Principal(subject: peer.uri, peer: peer)
  }

  private func bearer(_ request: Request) throws(APIError) -> Principal {
    if let requiredPeerRoles, !requiredPeerRoles.contains(where: { $0 == request.peer?.role }) {
      _ = try peer(request, among: requiredPeerRoles)
    }
    if let known = try recall(request) { return known }
    guard let field = request.head.header("authorization") else { throw .unauthorized("there is no token") }
    guard let token = Self.token(field) else {
      throw .unauthorized("the Authorization field is not a Bearer token")
    }
    let verified: TokenVerifier.Verified
    do {
      verified = try verifier.verified(token)
    } catch {
      throw .unauthorized(error.description)
    }
    let claims = verified.claims
    if let isRevoked, isRevoked(claims) { throw .unauthorized("the token was revoked") }
    let principal = Principal(
      subject: claims.subject, scopes: claims.scopes, role: claims.role, actsFor: claims.actsFor, peer: request.peer)
    request.lastToken = KnownToken(
      verifier: verifier, verified: verified, principal: principal, isAskedAfter: isRevoked != nil)
    return principal
  }

  /// The caller of the connection's request before, if this one brings the very same token and nothing has changed
  /// since: a comparison instead of a hash and a search. Times and revocation are looked at each time.
  private func recall(_ request: Request) throws(APIError) -> Principal? {
    guard let known = request.lastToken, known.verifier === verifier, let caller = try known.caller(of: request) else {
      return nil
    }
    if let isRevoked, isRevoked(known.verified.claims) { throw .unauthorized("the token was revoked") }
    return caller
  }

  /// What follows `Bearer` and a blank, by bytes: every request passes here.
  private static func token(_ field: String) -> String? {
    var field = field
    return field.withUTF8 { bytes in
      let scheme: StaticString = "bearer "
      guard bytes.count > 7, (0..<7).allSatisfy({ bytes[$0] | 0x20 == scheme.utf8Start[$0] }) else { return nil }
      let start = bytes[7...].firstIndex { $0 != UInt8(ascii: " ") } ?? bytes.count
      return String(decoding: UnsafeBufferPointer(rebasing: bytes[start...]), as: UTF8.self)
    }
  }
}
