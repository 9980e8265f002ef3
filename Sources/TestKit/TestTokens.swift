public import Core
public import Crypto
public import JWT

/// An issuer of tokens with one RSA key, made fresh for a test (about 100 ms: make one per suite).
public struct TestTokens: Sendable {
  public let issuer: String
  public let keyID: String
  public let key: PrivateKey
  public let signer: TokenSigner
  private let time: any TimeSource
  private let random: any RandomSource

  public init(
    issuer: String = "https://issuer.test", keyID: String = "test-key", time: any TimeSource = SystemTime(),
    random: any RandomSource = SystemRandom()
  ) throws {
    self.issuer = issuer
    self.keyID = keyID
    self.time = time
    self.random = random
    key = try PrivateKey.rsa(bits: 2048)
    signer = TokenSigner(key: key, keyID: keyID, issuer: issuer)
  }

  public var keySet: JSONWebKeySet { JSONWebKeySet(keys: [JSONWebKey(key.publicKey, keyID: keyID)]) }

  /// A verifier that accepts this issuer's tokens for `audience`.
  public func verifier(audience: String = "artstore") -> TokenVerifier {
    TokenVerifier(issuer: issuer, audience: audience, keys: keySet, time: time)
  }

  /// Claims that are good now, to be changed by the test.
  public func claims(
    subject: String = "sa_test_1", audience: String = "artstore", scopes: Set<Scope> = [], role: AdminRole? = nil,
    actsFor: String? = nil, lifetime: Duration = .seconds(1800)
  ) -> TokenClaims {
    let now = Timestamp(seconds: time.now().seconds)
    return TokenClaims(
      issuer: issuer, subject: subject, audience: [audience], issuedAt: now, notBefore: now, expiresAt: now + lifetime,
      tokenID: Hex.encode(random.bytes(16)), scopes: scopes, role: role, actsFor: actsFor)
  }

  /// A token that is good now.
  public func mint(
    subject: String = "sa_test_1", audience: String = "artstore", scopes: Set<Scope> = [], role: AdminRole? = nil,
    actsFor: String? = nil, lifetime: Duration = .seconds(1800)
  ) throws -> String {
    try signer.sign(
      claims(
        subject: subject, audience: audience, scopes: scopes, role: role, actsFor: actsFor, lifetime: lifetime))
  }
}
