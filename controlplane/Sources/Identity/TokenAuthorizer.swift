public import HTTP
public import HTTPServer
public import JWT

/// Decides who may call a route of the central roles: bearer tokens with `aud=artstore`, not revoked. Tokens for
/// appliances (`aud=storage:…`) and client certificates open nothing here.
public struct TokenAuthorizer: Authorizer {
  private let verifier: TokenVerifier
  private let revocations: Revocations

  public init(verifier: TokenVerifier, revocations: Revocations) {
    self.verifier = verifier
    self.revocations = revocations
  }

  public func authorize(_ request: Request, for access: Access) async throws(APIError) -> Principal {
    switch access {
    case .open, .proof:
      return .nobody
    case .anyToken:
      return principal(try claims(of: request))
    case .scope(let scope):
      let principal = principal(try claims(of: request))
      guard principal.may(scope) else { throw Self.forbidden(scope) }
      return principal
    case .certificate, .session:
      throw APIError(.forbidden, "this path does not take bearer tokens")
    }
  }

  /// The verified claims of the request's bearer token.
  public func claims(of request: Request) throws(APIError) -> TokenClaims {
    let token = try Self.bearer(request)
    let claims: TokenClaims
    do throws(TokenError) {
      claims = try verifier.verify(token)
    } catch {
      throw .unauthorized("the token is not valid: \(error)")
    }
    guard !revocations.covers(claims) else { throw .unauthorized("the token was revoked") }
    return claims
  }

  private func principal(_ claims: TokenClaims) -> Principal {
    Principal(subject: claims.subject, scopes: claims.scopes, role: claims.role, actsFor: claims.actsFor)
  }

  /// RFC 6750 §2.1. Tokens in bodies and URLs are not taken: they end up in logs.
  private static func bearer(_ request: Request) throws(APIError) -> String {
    guard let header = request.head.header("Authorization") else {
      throw .unauthorized("no token came with the request")
    }
    let parts = header.split(separator: " ", maxSplits: 1)
    guard parts.count == 2, parts[0].equalsIgnoringASCIICase("Bearer"), !parts[1].isEmpty else {
      throw .unauthorized("the Authorization header is not 'Bearer <token>'")
    }
    return String(parts[1])
  }

  private static func forbidden(_ scope: Scope) -> APIError {
    var error = APIError(.forbidden, "the token lacks the scope \(scope.rawValue); ask for a token that has it")
    error.headers["WWW-Authenticate"] = "Bearer error=\"insufficient_scope\", scope=\"\(scope.rawValue)\""
    return error
  }
}
