internal import HTTP
public import HTTPServer
internal import JWT

extension IdentityService {
  /// The admin API's share of this module: `/auth`, `/admin-users`, `/service-accounts`, `/keys`, `/audit`,
  /// `/settings`.
  public var routes: [Route] {
    TokenEndpoint(identity: self).routes + SessionRoutes(identity: self).routes + AccountRoutes(identity: self).routes
      + KeyAndAuditRoutes(identity: self).routes
  }
}

extension IdentityService {
  /// The claims of the request's bearer token, once more, for handlers that end it.
  func claims(of request: Request) throws -> TokenClaims {
    let field = request.head.header("Authorization") ?? ""
    let parts = field.split(separator: " ", maxSplits: 1)
    guard parts.count == 2, parts[0].equalsIgnoringASCIICase("Bearer") else {
      throw APIError.unauthorized("there is no bearer token")
    }
    let claims: TokenClaims
    do throws(TokenError) {
      claims = try keys.verifier.verify(String(parts[1]))
    } catch {
      throw APIError.unauthorized("the token is not accepted: \(error)")
    }
    guard !revocations.covers(claims) else { throw APIError.unauthorized("the token was revoked") }
    return claims
  }
}

extension AdminRole {
  /// What tokens of the role carry.
  var scopes: Set<Scope> { Set(Scope.allCases.filter(allows)) }
}
