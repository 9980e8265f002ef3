internal import Core
internal import Crypto
public import HTTP
internal import JWT

/// Decides whether a request may pass a route's `Access`. One per server: roles and scopes are checked in this one
/// place.
public protocol Authorizer: Sendable {
  /// The caller, or `UNAUTHORIZED` / `FORBIDDEN`.
  func authorize(_ request: Request, for access: Access) async throws(APIError) -> Principal
  /// The same where nothing has to be waited for; nil where that cannot be said.
  func authorizeAtOnce(_ request: Request, for access: Access) throws(APIError) -> Principal?
}

extension Authorizer {
  public func authorizeAtOnce(_ request: Request, for access: Access) throws(APIError) -> Principal? { nil }
}

extension APIError {
  /// 401 with the challenge that RFC 6750 §3 asks for. `problem` says which of the ways it was wrong, never the token.
  public static func unauthorized(_ problem: String) -> APIError {
    var error = APIError(.unauthorized, "\(problem); get a token from /api/v1/auth/token and send it as a Bearer token")
    error.headers["WWW-Authenticate"] = "Bearer"
    return error
  }
}
