public import Core
internal import Crypto
public import JWT
internal import Postgres
internal import Reactor
internal import Synchronization
internal import Telemetry

/// What administrators see of a signing key.
public struct SigningKeyInfo: Sendable, Hashable, Codable {
  public enum State: String, Sendable, Hashable, Codable {
    /// Published, not yet used.
    case next
    /// Signs now.
    case active
    /// Signs no more; tokens it signed are still good.
    case retiring
  }

  public let keyID: String
  public let state: State
  public let publishedAt: Timestamp
  public let activatesAt: Timestamp
  /// When it leaves the key set; nil while no successor is known.
  public let retiresAt: Timestamp?

  enum CodingKeys: String, CodingKey {
    case keyID = "key_id"
    case state = "status"
    case publishedAt = "published_at"
    case activatesAt = "activates_at"
    case retiresAt = "retires_at"
  }
}

/// The RS256 keys: made at first start, encrypted at rest, rotated with overlap. A key is published `lead` before it
/// signs, so that every verifier has it by then, and stays published until the last token it signed has expired.
/// Every replica holds a copy in memory, brought up to date by `load`.
public final class SigningKeys: Sendable {
  /// From publication to first signature. Clients that cache the key set for minutes, and appliances that get it with
  /// the next contact, know the key by then.
  static let lead: Duration = .seconds(3600)
  /// From the successor's first signature to removal: longest token life, leeway of verifiers, clock differences.
  static let afterlife: Duration = .seconds(2 * 3600)
  static let bits = 2048

  public let issuer: String
  /// Verifies tokens for the central roles (`aud=artstore`) with the keys of the moment.
  public let verifier: TokenVerifier

  private let pool: PostgresPool
  private let masterKey: MasterKey
  private let blocking: BlockingPool
  private let time: any TimeSource
  private let random: any RandomSource
  private let state = Mutex(State())

  private struct State: Sendable {
    var keys: [Loaded] = []
    var jwks = JSONWebKeySet(keys: [])
  }

  struct Loaded: Sendable {
    let info: Stored
    let signer: TokenSigner
  }

  struct Stored: Sendable {
    let keyID: String
    let spki: [UInt8]
    let sealed: [UInt8]
    let publishedAt: Timestamp
    let activatesAt: Timestamp
    let retiresAt: Timestamp?
  }

  /// Advisory lock of everything that adds or removes keys: "artskeys" in ASCII.
  private static let lockKey: Int64 = 0x6172_7473_6b65_7973

  init(
    issuer: String, pool: PostgresPool, masterKey: MasterKey, blocking: BlockingPool, time: any TimeSource,
    random: any RandomSource
  ) {
    self.issuer = issuer
    self.pool = pool
    self.masterKey = masterKey
    self.blocking = blocking
    self.time = time
    self.random = random
    verifier = TokenVerifier(
      issuer: issuer, audience: Identity.audience, keys: JSONWebKeySet(keys: []), time: time, leeway: .seconds(60))
  }

  /// The public keys, published ones that do not sign yet included (RFC 7517).
  public var jwks: JSONWebKeySet { state.withLock { $0.jwks } }

  /// The key that signs now. Throws when `load` never succeeded.
  public func signer() throws -> TokenSigner {
    let now = time.now()
    let loaded = state.withLock { state in state.keys.last { $0.info.activatesAt <= now } }
    guard let loaded else { throw IdentityError.noSigningKey }
    return loaded.signer
  }

  /// Every published key, oldest first.
  public func status() -> [SigningKeyInfo] {
    let now = time.now()
    let keys = state.withLock { $0.keys.map(\.info) }
    let active = keys.last { $0.activatesAt <= now }?.keyID
    return keys.map { key in
      SigningKeyInfo(
        keyID: key.keyID, state: key.keyID == active ? .active : key.activatesAt > now ? .next : .retiring,
        publishedAt: key.publishedAt, activatesAt: key.activatesAt, retiresAt: key.retiresAt)
    }
  }

  /// Reads the keys; makes the first one if there is none.
  public func load() async throws {
    var stored = try await read()
    if stored.isEmpty {
      try await add(activatingAfter: .zero, unless: { !$0.isEmpty })
      stored = try await read()
    }
    let known = state.withLock { Dictionary($0.keys.map { ($0.info.keyID, $0.signer) }) { first, _ in first } }
    var loaded: [Loaded] = []
    for key in stored {
      let signer = try known[key.keyID] ?? unseal(key)
      loaded.append(Loaded(info: key, signer: signer))
    }
    let set = JSONWebKeySet(
      keys: try stored.map { JSONWebKey(try PublicKey(spki: $0.spki), keyID: $0.keyID) })
    state.withLock { state in
      state.keys = loaded
      state.jwks = set
    }
    verifier.update(keys: set)
  }

  /// The periodic job: publishes the next key when the newest one has signed, or will have signed, for `every` less the
  /// lead; removes keys past their end. Safe on any number of replicas.
  func rotateIfDue(every: Duration) async throws -> String {
    let now = time.now()
    let removed = try await pool.query("DELETE FROM identity_signing_keys WHERE retires_at < \(now)").affected
    let due = max(every - Self.lead, .seconds(60))
    let added = try await add(activatingAfter: Self.lead) { keys in
      guard let newest = keys.last else { return false }
      return newest.activatesAt + due > now
    }
    try await load()
    return added.map { "published key \($0); removed \(removed)" } ?? "nothing due; removed \(removed)"
  }

  /// Publishes a new key now, whatever the age of the newest: it signs after the lead. Nothing happens while a
  /// published key waits for its turn already. With `atOnce` the new key signs now and all others leave the key set:
  /// every token they signed dies, which is what a stolen key calls for.
  public func rotate(atOnce: Bool) async throws -> String? {
    let now = time.now()
    let added: String?
    if atOnce {
      added = try await add(activatingAfter: .zero, removingOthers: true, unless: { _ in false })
    } else {
      added = try await add(activatingAfter: Self.lead, unless: { ($0.last?.activatesAt ?? now) > now })
    }
    try await load()
    return added
  }
}

extension SigningKeys {
  private func read(on connection: PostgresConnection? = nil) async throws -> [Stored] {
    let query: Query = """
      SELECT key_id, spki, private_sealed, published_at, activates_at, retires_at FROM identity_signing_keys
      ORDER BY activates_at, key_id
      """
    let rows =
      if let connection { try await connection.query(query) } else { try await pool.query(query) }
    return try rows.map { row in
      Stored(
        keyID: try row.decode(0), spki: try row.decode(1), sealed: try row.decode(2), publishedAt: try row.decode(3),
        activatesAt: try row.decode(4), retiresAt: try row.decode(5))
    }
  }

  /// Makes a key outside of the transaction (it takes a tenth of a second), then adds it under the lock unless the keys
  /// there say it is not wanted any more. Returns its id if it was added.
  @discardableResult
  private func add(
    activatingAfter lead: Duration, removingOthers: Bool = false, unless isSettled: ([Stored]) -> Bool
  ) async throws -> String? {
    if isSettled(try await read()) { return nil }
    let made = try await blocking.run { try PrivateKey.rsa(bits: Self.bits) }
    let spki = made.publicKey.spki
    let keyID = Hex.encode(made.publicKey.spkiHash.bytes.prefix(12))
    let sealed = try masterKey.seal(Array(made.pem.utf8), purpose: "signing key \(keyID)", random: random)
    let now = time.now()
    return try await pool.transaction { connection in
      try await connection.query("SELECT pg_advisory_xact_lock(\(Self.lockKey))")
      if isSettled(try await self.read(on: connection)) { return nil }
      if removingOthers {
        try await connection.query("DELETE FROM identity_signing_keys")
      } else {
        try await connection.query(
          """
          UPDATE identity_signing_keys SET retires_at = \(now + lead + Self.afterlife) WHERE retires_at IS NULL
          """)
      }
      try await connection.query(
        """
        INSERT INTO identity_signing_keys (key_id, spki, private_sealed, published_at, activates_at)
        VALUES (\(keyID), \(spki), \(sealed), \(now), \(now + lead))
        """)
      return keyID
    }
  }

  private func unseal(_ key: Stored) throws -> TokenSigner {
    let pem = try masterKey.open(key.sealed, purpose: "signing key \(key.keyID)")
    let privateKey = try PrivateKey(pem: String(decoding: pem, as: UTF8.self))
    return TokenSigner(key: privateKey, keyID: key.keyID, issuer: issuer)
  }
}
