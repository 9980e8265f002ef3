internal import HTTP
internal import JWT
internal import Synchronization

/// A token as a connection's request brought it, what it was found to say, and who that makes the caller. Good only
/// for the verifier that found it.
final class KnownToken: Sendable {
  let verifier: TokenVerifier
  let verified: TokenVerifier.Verified
  /// Whether somebody has to be asked each time if the token was revoked.
  let isAskedAfter: Bool
  /// Under which of the authorizer's facts the caller was let in last; 0 is none.
  let stamp = Atomic<Int>(0)
  private let principal: Principal

  init(verifier: TokenVerifier, verified: TokenVerifier.Verified, principal: Principal, isAskedAfter: Bool) {
    self.verifier = verifier
    self.verified = verified
    self.principal = principal
    self.isAskedAfter = isAskedAfter
  }

  /// The caller, if the request brings this very token and the keys are the same. Its times are looked at each time.
  func caller(of request: Request) throws(APIError) -> Principal? {
    guard request.head.authorization(is: verified.field) else { return nil }
    do {
      return try verifier.isStillGood(verified) ? principal : nil
    } catch {
      throw .unauthorized(error.description)
    }
  }
}
