public import Core
internal import Crypto
internal import Synchronization

/// Accepts tokens: RS256 only, signed by a key of the set, of this issuer, for this audience, now. A token that was
/// verified is remembered by its hash, so that a client's next request costs one SHA-256; its times are checked each
/// time, and a change of keys forgets everything.
public final class TokenVerifier: Sendable {
  /// A longer token is refused unread.
  public static let tokenBytesMax = 8192
  /// At most twice this many verified tokens are remembered: 8192, about 4 MiB.
  static let cacheCountMax = 4096

  public let audience: String
  private let time: any TimeSource
  private let leeway: Duration
  private let state: Mutex<State>

  fileprivate struct State: Sendable {
    var issuer: String?
    var keys: [String: PublicKey]
    /// Changes with issuer and keys: a verification that began before is not remembered after.
    var generation = 0
    let countMax: Int
    // When `young` is full it becomes `old`: bounded, and what is in use survives by being moved back.
    var young: [Checksum: TokenClaims] = [:]
    var old: [Checksum: TokenClaims] = [:]
  }

  /// `issuer` nil accepts any issuer whose key is in the set.
  public convenience init(
    issuer: String?, audience: String, keys: JSONWebKeySet, time: any TimeSource, leeway: Duration = .seconds(60)
  ) {
    self.init(
      issuer: issuer, audience: audience, keys: keys, time: time, leeway: leeway, cacheCountMax: Self.cacheCountMax)
  }

  init(
    issuer: String?, audience: String, keys: JSONWebKeySet, time: any TimeSource, leeway: Duration, cacheCountMax: Int
  ) {
    self.audience = audience
    self.time = time
    self.leeway = leeway
    state = Mutex(State(issuer: issuer, keys: Self.usable(keys), countMax: cacheCountMax))
  }

  /// Trusts exactly these keys from now on.
  public func update(keys: JSONWebKeySet) {
    let usable = Self.usable(keys)
    state.withLock { $0.trust(usable) }
  }

  /// Trusts exactly these keys, and this issuer alone, from now on.
  public func update(keys: JSONWebKeySet, issuer: String?) {
    let usable = Self.usable(keys)
    state.withLock { state in
      state.issuer = issuer
      state.trust(usable)
    }
  }

  /// The claims of a token that may be believed.
  public func verify(_ token: String) throws(TokenError) -> TokenClaims {
    guard token.utf8.count <= Self.tokenBytesMax else { throw .malformed("more than \(Self.tokenBytesMax) bytes") }
    let hash = SHA256.digest(Array(token.utf8))
    if let known = state.withLock({ $0.recall(hash) }) {
      try checkTimes(known)
      return known
    }
    let parsed = try CompactToken(token)
    let (key, issuer, generation) = state.withLock { ($0.keys[parsed.keyID], $0.issuer, $0.generation) }
    guard let key else { throw .unknownKey }
    guard key.verify(signature: parsed.signature, of: parsed.signed) else { throw .wrongSignature }
    let claims = try parsed.claims()
    guard issuer == nil || claims.issuer == issuer else { throw .wrongIssuer }
    guard claims.audience.contains(audience) else { throw .wrongAudience }
    try checkTimes(claims)
    state.withLock { $0.remember(hash, claims, generation) }
    return claims
  }

  private func checkTimes(_ claims: TokenClaims) throws(TokenError) {
    let now = time.now()
    guard now < claims.expiresAt + leeway else { throw .expired }
    guard max(claims.notBefore, claims.issuedAt) - leeway <= now else { throw .notYetValid }
  }

  private static func usable(_ set: JSONWebKeySet) -> [String: PublicKey] {
    var keys: [String: PublicKey] = [:]
    for jwk in set.keys.prefix(JSONWebKeySet.countMax) {
      // Of two keys with one name the first counts, so that a later one cannot displace it.
      guard let keyID = jwk.kid, keys[keyID] == nil, let key = jwk.rs256Key else { continue }
      keys[keyID] = key
    }
    return keys
  }
}

extension TokenVerifier {
  /// How many verified tokens are remembered now.
  var rememberedCount: Int { state.withLock { $0.young.count + $0.old.count } }
}

extension TokenVerifier.State {
  fileprivate mutating func trust(_ keys: [String: PublicKey]) {
    self.keys = keys
    generation += 1
    young = [:]
    old = [:]
  }

  fileprivate mutating func recall(_ hash: Checksum) -> TokenClaims? {
    if let claims = young[hash] { return claims }
    guard let claims = old[hash] else { return nil }
    remember(hash, claims, generation)
    return claims
  }

  fileprivate mutating func remember(_ hash: Checksum, _ claims: TokenClaims, _ generation: Int) {
    guard generation == self.generation else { return }
    if young.count >= countMax {
      old = young
      young = [:]
    }
    young[hash] = claims
  }
}
