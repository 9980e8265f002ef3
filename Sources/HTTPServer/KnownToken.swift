internal import JWT

/// A token as a connection's request brought it, what it was found to say, and who that makes the caller. Good only
/// for the verifier that found it.
final class KnownToken: Sendable {
  /// The whole `Authorization` field.
  let field: [UInt8]
  let verifier: TokenVerifier
  let verified: TokenVerifier.Verified
  let principal: Principal

  init(field: [UInt8], verifier: TokenVerifier, verified: TokenVerifier.Verified, principal: Principal) {
    self.field = field
    self.verifier = verifier
    self.verified = verified
    self.principal = principal
  }
}
