internal import Core
internal import JWT

/// A signed-in administrator's browser. It lives in the database; the browser holds only a random name for it.
struct Session: Sendable, Hashable {
  var administratorID: String
  var login: String
  var role: AdminRole
  /// Must come back with every write (OWASP: synchroniser token).
  var csrfToken: String
  /// Signed in with a one-time password: only changing it is allowed.
  var mustChangePassword: Bool
  var createdAt: Timestamp
  var lastSeenAt: Timestamp

  /// Unused for this long: over.
  static let idleLimit: Duration = .seconds(30 * 60)
  /// Over in any case.
  static let lifeLimit: Duration = .seconds(12 * 60 * 60)
  /// How often a use is written down: a page with live tiles would otherwise write at each event.
  static let touchInterval: Duration = .seconds(60)

  func isLive(at now: Timestamp) -> Bool {
    now.since(lastSeenAt) < Self.idleLimit && now.since(createdAt) < Self.lifeLimit
  }
}

/// Where sessions are kept. The key is the SHA-256 of what the browser holds, so that who reads the table cannot use
/// it.
protocol SessionStore: Sendable {
  func session(_ key: String) async throws -> Session?
  func insert(_ key: String, _ session: Session) async throws
  func touch(_ key: String, at time: Timestamp) async throws
  func passwordChanged(_ key: String) async throws
  func remove(_ key: String) async throws
  /// The living ones of an administrator with their keys, newest first, at most 100.
  func all(of administratorID: String, at now: Timestamp) async throws -> [(key: String, session: Session)]
  /// Ends every session of an administrator but one (after a change of password or a suspension).
  func removeAll(of administratorID: String, except key: String?) async throws
}
