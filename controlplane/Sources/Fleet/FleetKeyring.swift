public import Core
public import Crypto
public import Identity
internal import JWT
public import Postgres

/// What the command line does with the fleet's own keys: a copy to keep outside of the database, its way back, and a
/// new client key for a role. The fleet CA and the trust key are made once; without them every appliance would have to
/// be claimed anew on its host.
///
/// The copy is a JSON object `{"kind":"artstore-fleet-keys","version":1,"created_at":…,"sealed":base64}`; `sealed` is
/// AES-256-GCM, by a key that only the operator keeps, of `{"keys":[{"name","key","certificate"?}]}` in PEM.
public struct FleetKeyring: Sendable {
  private let pool: PostgresPool
  private let keys: FleetKeyTable
  private let revoked: RevokedKeys
  private let audit: Audit
  private let time: any TimeSource
  private let random: any RandomSource

  /// Why a command was not carried out; for the operator.
  public struct Refusal: Error, CustomStringConvertible, Sendable {
    public let description: String
  }

  private struct Copy: Codable {
    var kind: String
    var version: Int
    var createdAt: Timestamp
    var sealed: String

    enum CodingKeys: String, CodingKey {
      case kind, version, sealed
      case createdAt = "created_at"
    }
  }

  private struct Content: Codable {
    var keys: [Key]
  }

  private struct Key: Codable, Hashable {
    var name: String
    var key: String
    var certificate: String?
  }

  private static let kind = "artstore-fleet-keys"
  private static let purpose = "fleet keys, version 1"
  private static let command = Actor(subject: "system", source: "command line")

  public init(
    pool: PostgresPool, masterKey: MasterKey, audit: Audit, time: any TimeSource, random: any RandomSource
  ) {
    self.pool = pool
    keys = FleetKeyTable(pool: pool, masterKey: masterKey, random: random)
    revoked = RevokedKeys(pool: pool, time: time)
    self.audit = audit
    self.time = time
    self.random = random
  }

  /// The copy's text. Recorded in the audit log.
  public func backup(sealedBy backupKey: MasterKey) async throws -> String {
    let all = try await contents()
    guard !all.isEmpty else { throw Refusal(description: "there are no fleet keys yet; start the control plane first") }
    let sealed = try backupKey.seal(try JSON.encode(Content(keys: all)), purpose: Self.purpose, random: random)
    let copy = Copy(
      kind: Self.kind, version: 1, createdAt: time.now(), sealed: Base64.standard.encode(sealed))
    try await audit.record(Self.entry("fleet.backup", names: all.map(\.name)))
    return String(decoding: try JSON.encode(copy), as: UTF8.self) + "\n"
  }

  /// Puts the copy's keys into a database that has none, or has the same. Keys that a first start made by itself are
  /// replaced as long as no appliance is registered under them. The number of keys restored.
  public func restore(_ text: String, sealedBy backupKey: MasterKey) async throws -> Int {
    let copy: Copy
    do { copy = try JSON.decode(Copy.self, from: text.utf8) } catch {
      throw Refusal(description: "this is no copy of fleet keys: \(JSON.explain(error))")
    }
    guard copy.kind == Self.kind, copy.version == 1, let sealed = Base64.standard.decode(copy.sealed) else {
      throw Refusal(description: "this is no copy of fleet keys of version 1")
    }
    let content: Content
    do {
      content = try JSON.decode(Content.self, from: try backupKey.open(sealed, purpose: Self.purpose))
    } catch { throw Refusal(description: "the copy cannot be opened: another key file sealed it, or it was changed") }
    try Self.check(content.keys)
    let present = Set(try await contents())
    if present == Set(content.keys) { return 0 }
    try await pool.transaction { connection in
      let elements = try await connection.query("SELECT count(*) FROM storage_elements").scalar(Int.self)
      guard present.isEmpty || elements == 0 else {
        throw Refusal(
          description: "\(elements) appliances are registered under the keys that are here; the copy has others. "
            + "Restore into a database without appliances")
      }
      try await connection.query("DELETE FROM fleet_keys")
      for key in content.keys {
        try await self.keys.put(key.name, pem: key.key, certificate: key.certificate, on: connection)
      }
      try await self.audit.record(Self.entry("fleet.restore", names: content.keys.map(\.name)), on: connection)
    }
    return content.keys.count
  }

  /// A new client key for one of our roles; the old one is revoked at every appliance with its next contact. Processes
  /// hold the key from their start: restart them.
  public func rotate(_ role: PeerRole) async throws {
    let name = "role \(role.rawValue)"
    guard let old = try await keys.stored(name) else {
      throw Refusal(description: "the role \(role.rawValue) has no key yet")
    }
    let fresh = try PrivateKey.p256()
    try await pool.transaction { connection in
      try await self.keys.put(name, pem: try fresh.pem, certificate: nil, on: connection)
      _ = try await self.revoked.add(
        old.key.publicKey.spkiHash, subject: "artstore://\(role.rawValue)/controlplane", reason: "key rotated",
        by: Self.command, endsAt: nil, on: connection)
      try await self.audit.record(Self.entry("fleet.rotate_key", names: [role.rawValue]), on: connection)
    }
  }

  private func contents() async throws -> [Key] {
    let names = try await pool.query("SELECT name FROM fleet_keys ORDER BY name").map {
      (row) throws(PostgresError) in try row.decode(0, as: String.self)
    }
    var all: [Key] = []
    for name in names {
      guard let held = try await keys.stored(name) else { continue }
      all.append(Key(name: name, key: try held.key.pem, certificate: held.certificate))
    }
    return all
  }

  private static func check(_ keys: [Key]) throws {
    guard Set(keys.map(\.name)).count == keys.count, keys.contains(where: { $0.name == "trust" }),
      let authority = keys.first(where: { $0.name == "authority" }), let certificate = authority.certificate
    else { throw Refusal(description: "the copy lacks the fleet CA or the trust key") }
    for key in keys { _ = try PrivateKey(pem: key.key) }
    _ = try CertificateAuthority(
      certificate: try Certificate(pem: certificate), key: try PrivateKey(pem: authority.key))
  }

  private static func entry(_ action: String, names: [String]) -> AuditEntry {
    AuditEntry(
      actor: command.subject, action: action, target: "fleet keys", source: command.source,
      details: ["keys": .array(names.map { .string($0) })])
  }
}
