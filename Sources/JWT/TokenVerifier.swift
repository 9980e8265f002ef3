public import Core
internal import Crypto
internal import Synchronization

/// Accepts tokens: RS256 only, signed by a key of the set, of this issuer, for this audience, now. A token that was
/// verified is remembered by its hash, so that a client's next request costs one SHA-256; its times are checked each
/// time, and a change of keys forgets everything.
public final class TokenVerifier: Sendable {
  /// A longer token is refused unread.
  public static let tokenBytesMax = 8192
  /// At most twice this many verified tokens are remembered: 8192, about 12 MiB.
  static let cacheCountMax = 4096

  public let audience: String
  private let time: any TimeSource
  private let leewayMicroseconds: Int64
  private let state: Mutex<State>
  /// The state's generation, for who only wants to know whether it is still the same.
  private let generation = Atomic<Int>(0)

  fileprivate struct State: Sendable {
    var issuer: String?
    var keys: [String: PublicKey]
    /// Changes with issuer and keys: a verification that began before is not remembered after.
    var generation = 0
    let countMax: Int
    // When `young` is full it becomes `old`: bounded, and what is in use survives by being moved back.
    var young: [Checksum: Verified] = [:]
    var old: [Checksum: Verified] = [:]
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
    leewayMicroseconds = leeway.microseconds
    state = Mutex(State(issuer: issuer, keys: Self.usable(keys), countMax: cacheCountMax))
  }

  /// Trusts exactly these keys from now on.
  public func update(keys: JSONWebKeySet) {
    let usable = Self.usable(keys)
    state.withLock { state in
      state.trust(usable)
      generation.store(state.generation, ordering: .releasing)
    }
  }

  /// Trusts exactly these keys, and this issuer alone, from now on.
  public func update(keys: JSONWebKeySet, issuer: String?) {
    let usable = Self.usable(keys)
    state.withLock { state in
      state.issuer = issuer
      state.trust(usable)
      generation.store(state.generation, ordering: .releasing)
    }
  }

  /// What a token was found to say, for whoever sees the very same token again and again.
  public final class Verified: Sendable {
    public let claims: TokenClaims
    /// The `Authorization` field that brings it, held once for all who remember it.
    public let field: [UInt8]
    fileprivate let generation: Int
    /// The claims' times in microseconds, to be compared with the present.
    fileprivate let begin: Int64
    fileprivate let end: Int64

    fileprivate init(_ claims: TokenClaims, _ token: String, _ generation: Int) {
      self.claims = claims
      field = Array("Bearer \(token)".utf8)
      begin = max(claims.notBefore, claims.issuedAt).microseconds
      end = claims.expiresAt.microseconds
      self.generation = generation
    }
  }

  /// The claims of a token that may be believed.
  public func verify(_ token: String) throws(TokenError) -> TokenClaims { try verified(token).claims }

  /// Whether what was verified may still be believed without looking at the token: keys and issuer are the same. False:
  /// verify the token anew. Throws when its time is over.
  public func isStillGood(_ verified: Verified) throws(TokenError) -> Bool {
    guard verified.generation == generation.load(ordering: .acquiring) else { return false }
    try checkTimes(verified)
    return true
  }

  /// The same as `verify`, to be remembered.
  public func verified(_ token: String) throws(TokenError) -> Verified {
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
    let verified = Verified(claims, token, generation)
    try checkTimes(verified)
    state.withLock { $0.remember(hash, verified) }
    return verified
  }

  private func checkTimes(_ verified: Verified) throws(TokenError) {
    let now = time.now().microseconds
    guard now < verified.end + leewayMicroseconds else { throw .expired }
    guard verified.begin - leewayMicroseconds <= now else { throw .notYetValid }
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

  fileprivate mutating func recall(_ hash: Checksum) -> TokenVerifier.Verified? {
    if let known = young[hash] { return known }
    guard let known = old[hash] else { return nil }
    remember(hash, known)
    return known
  }

  fileprivate mutating func remember(_ hash: Checksum, _ verified: TokenVerifier.Verified) {
    guard verified.generation == generation else { return }
    if young.count >= countMax {
      old = young
      young = [:]
    }
    young[hash] = verified
  }
}
