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
  let revoked: RevokedKeys
  let locals: LocalClientTable
  /// The key that appliances let in past its dates.
  let adminSPKI: Checksum
  let time: any TimeSource

  struct Current: Sendable {
    let version: Int
    let message: SignedMessage
  }

  /// What an appliance says to trust has a higher number than ours: this database is older than what was delivered
  /// before. The next version gets a number above it, or appliances would ignore it for good. Bounded, so that no
  /// appliance can use up the numbers.
  func raise(above version: Int) async throws -> Bool {
    let newest = try await current()
    guard version >= newest.version else { return true }
    guard version - newest.version <= Self.raiseMax else { return false }
    try await pool.transaction { connection in
      try await connection.query("SELECT pg_advisory_xact_lock(hashtextextended('artstore fleet bundle', 0))")
      guard let known = try Self.newest(try await connection.query(Self.select)), known.current.version <= version
      else { return }
      var draft = try await draft()
      let digest = SHA256.digest(try JSON.encode(draft))
      draft.version = version + 1
      draft.issuedAt = time.now()
      let message = try SignedMessage.make(draft, by: authority.trustKey)
      try await connection.query(
        """
        INSERT INTO fleet_bundles (version, content_digest, payload, signature)
        VALUES (\(draft.version), \(digest), \(message.payload), \(message.signature))
        """)
    }
    return true
  }

  private static let raiseMax = 1_000_000

  /// Any document that the trust key vouches for.
  func sign(_ value: some Encodable) throws -> SignedMessage { try SignedMessage.make(value, by: authority.trustKey) }

  /// Replicas take turns by the advisory lock, so that a version is one document.
  func current() async throws -> Current {
    let seen = SHA256.digest(try JSON.encode(try await draft()))
    if let known = try Self.newest(try await pool.query(Self.select)), known.digest == seen { return known.current }
    return try await pool.transaction { connection in
      try await connection.query("SELECT pg_advisory_xact_lock(hashtextextended('artstore fleet bundle', 0))")
      // Drafted again under the lock: what was read before may be older than the version that another replica made, and
      // a key that is revoked there must not come back under a higher number.
      var draft = try await draft()
      let digest = SHA256.digest(try JSON.encode(draft))
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

  /// What is to be said, without number and time. The signing keys are read anew: another replica may have taken one
  /// out a moment ago.
  private func draft() async throws -> KeyBundle {
    try await identity.keys.load()
    let local = try await locals.forBundle()
    return KeyBundle(
      version: 0, issuedAt: Timestamp(seconds: 0), issuer: identity.keys.issuer, keys: identity.keys.jwks,
      clientCA: authority.authority.certificate.pem, revokedKeys: try await revoked.current(),
      trustKey: Base64.standard.encode(authority.trustKey.publicKey.spki), localClients: local.isEmpty ? nil : local,
      adminSPKI: adminSPKI)
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
