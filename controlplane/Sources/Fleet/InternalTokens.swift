internal import Core
internal import Identity
internal import JWT
internal import Synchronization

/// Tokens for one appliance each (`aud=storage:<storage_id>`), at most five minutes old, naming the role that calls and
/// the person it acts for. Client tokens never reach an appliance.
final class InternalTokens: Sendable {
  private struct Key: Hashable {
    let storageID: String
    let subject: String
    let actsFor: String?
    let scopes: Set<Scope>
  }

  private let identity: IdentityService
  private let time: any TimeSource
  private let cache = Mutex<[Key: (text: String, expiresAt: Timestamp)]>([:])

  private static let cachedMax = 4096
  /// A token is used until so long before its end.
  private static let margin = Duration.seconds(90)

  init(identity: IdentityService, time: any TimeSource) {
    self.identity = identity
    self.time = time
  }

  /// A token's text; reused while it has time left. `fresh` ignores what is kept: after a 401.
  func token(
    storageID: String, subject: String, actsFor: String?, scopes: Set<Scope>, fresh: Bool = false
  ) throws -> String {
    let key = Key(storageID: storageID, subject: subject, actsFor: actsFor, scopes: scopes)
    let now = time.now()
    if !fresh, let kept = cache.withLock({ $0[key] }), now + Self.margin < kept.expiresAt { return kept.text }
    let issued = try identity.tokens.mint(
      audience: "storage:\(storageID)", subject: subject, actsFor: actsFor, scopes: scopes)
    cache.withLock { cache in
      if cache.count >= Self.cachedMax { cache.removeAll(keepingCapacity: true) }
      cache[key] = (issued.text, issued.claims.expiresAt)
    }
    return issued.text
  }
}
