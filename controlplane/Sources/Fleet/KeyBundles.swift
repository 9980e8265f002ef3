internal import Core
internal import Crypto
internal import Identity
internal import JWT
internal import Postgres
internal import StorageAPI

/// The signed key bundle of the moment. A new version is made when what it says changes: signing keys, CA, revocations.
struct KeyBundles: Sendable {
  let pool: PostgresPool
  let identity: IdentityService
  let authority: FleetAuthority
  let time: any TimeSource

  struct Current: Sendable {
    let version: Int
    let message: SignedMessage
  }

  /// Replicas take turns by the advisory lock, so that a version is one document.
  func current() async throws -> Current {
    let revoked = try await pool.query("SELECT spki FROM fleet_revoked_keys ORDER BY spki LIMIT 10000")
    var draft = KeyBundle(
      version: 0, issuedAt: Timestamp(seconds: 0), issuer: identity.keys.issuer, keys: identity.keys.jwks,
      clientCA: authority.authority.certificate.pem,
      revokedKeys: try revoked.map { (row) throws(PostgresError) in try row.decode(0, as: Checksum.self) },
      trustKey: Base64.standard.encode(authority.trustKey.publicKey.spki))
    let digest = SHA256.digest(try JSON.encode(draft))
    if let known = try Self.newest(try await pool.query(Self.select)), known.digest == digest { return known.current }
    return try await pool.transaction { connection in
      try await connection.query("SELECT pg_advisory_xact_lock(hashtextextended('artstore fleet bundle', 0))")
      let newest = try Self.newest(try await connection.query(Self.select))
      if let newest, newest.digest == digest { return newest.current }
      draft.version = (newest?.current.version ?? 0) + 1
      draft.issuedAt = time.now()
      let message = try SignedMessage.make(draft, by: authority.trustKey)
      try await connection.query(
        """
        INSERT INTO fleet_bundles (version, content_digest, payload, signature)
        VALUES (\(draft.version), \(digest), \(message.payload), \(message.signature))
        """)
      try await connection.query("DELETE FROM fleet_bundles WHERE version < \(draft.version - 20)")
      return Current(version: draft.version, message: message)
    }
  }

  private struct Known {
    let current: Current
    let digest: Checksum
  }

  private static let select: Query =
    "SELECT version, content_digest, payload, signature FROM fleet_bundles ORDER BY version DESC LIMIT 1"

  private static func newest(_ rows: Rows) throws -> Known? {
    guard let row = rows.first else { return nil }
    let message = SignedMessage(payload: try row.decode("payload"), signature: try row.decode("signature"))
    return Known(
      current: Current(version: try row.decode("version"), message: message),
      digest: try row.decode("content_digest"))
  }
}
