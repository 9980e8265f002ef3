internal import Catalogue
public import Core
internal import Crypto
internal import HTTP
public import Identity
internal import Postgres
internal import Synchronization

/// A key whose certificates count no longer.
public struct RevokedKey: Sendable {
  /// SHA-256 of the public key (SPKI).
  public let spki: Checksum
  /// The identity in its certificate, `artstore://<role>/<name>`; empty when only the key was known.
  public let subject: String
  public let reason: String
  public let revokedBy: String
  public let revokedAt: Timestamp
}

/// The revoked keys, and a copy in memory that every call to an appliance asks: at most `ageMax` old.
final class RevokedKeys: Sendable {
  private let pool: PostgresPool
  private let time: any TimeSource
  private let held = Mutex<(keys: Set<Checksum>, readAt: Duration)?>(nil)

  /// The bundle has to fit one delivery: 64 digits each, in base64.
  static let countMax = 1000
  private static let ageMax = Duration.seconds(5)

  init(pool: PostgresPool, time: any TimeSource) {
    self.pool = pool
    self.time = time
  }

  func contains(_ spki: Checksum) async throws -> Bool {
    let now = time.uptime()
    if let kept = held.withLock({ $0 }), now - kept.readAt < Self.ageMax { return kept.keys.contains(spki) }
    let keys = Set(try await current())
    held.withLock { $0 = (keys, now) }
    return keys.contains(spki)
  }

  /// In order, so that the same keys make the same bundle.
  func current() async throws -> [Checksum] {
    try await pool.query(
      """
      SELECT spki FROM fleet_revoked_keys WHERE ends_at IS NULL OR ends_at > \(time.now() - .seconds(86_400))
      ORDER BY spki LIMIT \(Self.countMax)
      """
    ).map { (row) throws(PostgresError) in try row.decode(0) }
  }

  /// Newest first.
  func list() async throws -> [RevokedKey] {
    try await pool.query(
      """
      SELECT spki, subject, reason, revoked_by, revoked_at FROM fleet_revoked_keys
      ORDER BY revoked_at DESC, spki LIMIT 10000
      """
    ).map { row in
      RevokedKey(
        spki: try row.decode(0), subject: try row.decode(1), reason: try row.decode(2), revokedBy: try row.decode(3),
        revokedAt: try row.decode(4))
    }
  }

  /// False when it was revoked already. `CONFLICT` when the bundle can hold no more.
  func add(
    _ spki: Checksum, subject: String, reason: String, by actor: Actor, endsAt: Timestamp?,
    on connection: PostgresConnection
  ) async throws -> Bool {
    let count = try await connection.query(
      "SELECT count(*) FROM fleet_revoked_keys WHERE ends_at IS NULL OR ends_at > \(time.now())"
    ).scalar(Int.self)
    guard count < Self.countMax else {
      throw APIError(
        .conflict, "\(Self.countMax) keys are revoked already, more do not fit a key bundle; renew the fleet's CA")
    }
    let added =
      try await connection.query(
        """
        INSERT INTO fleet_revoked_keys (spki, subject, reason, revoked_by, revoked_at, ends_at)
        VALUES (\(spki), \(subject), \(reason), \(actor.subject), \(time.now()), \(endsAt)) ON CONFLICT DO NOTHING
        """
      ).affected > 0
    held.withLock { $0 = nil }
    return added
  }

  /// The next call looks again.
  func forget() { held.withLock { $0 = nil } }
}

extension FleetRegistry {
  public func revocations() async throws -> [RevokedKey] { try await revoked.list() }

  /// Revokes a client's or an appliance's key: appliances refuse it from the next key bundle on, the control plane at
  /// once. `subject` may be empty.
  public func revoke(
    _ spki: Checksum, subject: String, reason: String, by actor: Actor
  ) async throws {
    try Self.check(reason: reason)
    guard spki != access.spkiHash else {
      throw APIError(
        .conflict,
        "this is the administrator's own key: nothing could be told to appliances any more; "
          + "rotate it first with 'artstore-controlplane fleet rotate-key admin'")
    }
    try await revoke(spki, subject: subject, reason: reason, endsAt: nil, by: actor)
  }

  /// Revokes the key of a certificate in PEM, or a key by its hash: exactly one of the two.
  public func revoke(
    certificate: String?, keySHA256: String?, reason: String, by actor: Actor
  ) async throws {
    switch (certificate, keySHA256) {
    case (let pem?, nil):
      let found: Certificate
      do { found = try Certificate(pem: pem) } catch {
        throw APIError(.validation, "certificate: one certificate in PEM is needed")
      }
      try await revoke(found.spkiHash, subject: found.identity?.uri ?? "", reason: reason, by: actor)
    case (nil, let text?):
      guard let hash = Checksum(text) else {
        throw APIError(.validation, "key_sha256: the SHA-256 of a public key (SPKI) in hexadecimal is needed")
      }
      try await revoke(hash, subject: "", reason: reason, by: actor)
    default: throw APIError(.validation, "certificate: exactly one of certificate and key_sha256 is needed")
    }
  }

  /// Revokes an appliance's certificate: nobody of the control plane talks to it any more, until its host makes a new
  /// key and it is claimed again.
  public func revoke(element id: FileID, reason: String, by actor: Actor) async throws -> StorageElementView {
    try Self.check(reason: reason)
    let element = try await get(id)
    try await revoke(
      element.spki, subject: "artstore://appliance/\(element.storageID)", reason: reason, endsAt: nil, by: actor)
    try await elements.unreachable(id, "its certificate is revoked: \(reason)")
    return try await view(id)
  }

  private func revoke(
    _ spki: Checksum, subject: String, reason: String, endsAt: Timestamp?, by actor: Actor
  ) async throws {
    try await pool.transaction { connection in
      let isNew = try await self.revoked.add(
        spki, subject: subject, reason: reason, by: actor, endsAt: endsAt, on: connection)
      guard isNew else { throw APIError(.conflict, "this key is revoked already") }
      try await self.audit.record(
        AuditEntry(
          actor: actor.subject, action: "key.revoke", target: subject.isEmpty ? spki.description : subject,
          source: actor.source, trace: actor.trace,
          details: ["key_sha256": .string(spki.description), "reason": .string(reason)]),
        on: connection)
    }
    revoked.forget()
  }

  private static func check(reason: String) throws(APIError) {
    guard (1...400).contains(reason.count), !reason.unicodeScalars.contains(where: { $0.value < 0x20 }) else {
      throw APIError(.validation, "reason: 1–400 characters without control characters are needed")
    }
  }
}
