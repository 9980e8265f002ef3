internal import Core
public import JWT
internal import Postgres

/// A signed token and what is in it.
public struct IssuedToken: Sendable {
  public let text: String
  public let claims: TokenClaims

  /// Seconds from issue to expiry.
  public var lifetimeSeconds: Int { Int(claims.expiresAt.since(claims.issuedAt).inSeconds) }
}

/// Signs access tokens with the key of the moment.
public struct AccessTokens: Sendable {
  private let keys: SigningKeys
  private let revocations: Revocations
  private let time: any TimeSource
  private let random: any RandomSource

  /// The longest life of a token for an appliance.
  public static let internalLifeMax: Duration = .seconds(300)

  init(keys: SigningKeys, revocations: Revocations, time: any TimeSource, random: any RandomSource) {
    self.keys = keys
    self.revocations = revocations
    self.time = time
    self.random = random
  }

  /// A token for the central roles. `connection`: asked whether another replica has revoked a moment ago.
  func issue(
    subject: String, scopes: Set<Scope>, role: AdminRole?, lifetime: Duration, on connection: PostgresConnection
  ) async throws -> IssuedToken {
    let earliest = try await revocations.earliestIssue(for: subject, on: connection)
    return try sign(
      subject: subject, audience: Identity.audience, scopes: scopes, role: role, actsFor: nil, lifetime: lifetime,
      earliest: earliest)
  }

  /// A token for one appliance, at most 5 minutes: `audience` is `storage:<storage_id>`, `subject` the control-plane
  /// role that calls, `actsFor` the person or program it acts for.
  public func mint(
    audience: String, subject: String, actsFor: String?, scopes: Set<Scope>, lifetime: Duration = .seconds(300)
  ) throws -> IssuedToken {
    precondition(audience.hasPrefix("storage:"), "internal tokens are for appliances only")
    return try sign(
      subject: subject, audience: audience, scopes: scopes, role: nil, actsFor: actsFor,
      lifetime: min(lifetime, Self.internalLifeMax), earliest: revocations.earliestIssue(for: subject))
  }

  /// `earliest`: no stamp before this one, so that what was revoked until then does not cover the new token.
  private func sign(
    subject: String, audience: String, scopes: Set<Scope>, role: AdminRole?, actsFor: String?, lifetime: Duration,
    earliest: Timestamp?
  ) throws -> IssuedToken {
    let signer = try keys.signer()
    let now = time.now()
    let issuedAt = Timestamp(seconds: now.seconds)
    let claims = TokenClaims(
      issuer: keys.issuer, subject: subject, audience: [audience], issuedAt: issuedAt, notBefore: issuedAt,
      expiresAt: issuedAt + lifetime, tokenID: TokenID.make(at: max(now, earliest ?? now), random: random),
      scopes: scopes, role: role, actsFor: actsFor)
    return IssuedToken(text: try signer.sign(claims), claims: claims)
  }
}
