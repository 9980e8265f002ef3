internal import Core
internal import Crypto
internal import Identity
internal import Postgres

/// The fleet's keys: its CA, the trust key that signs key bundles, and the client key of each control-plane role. Made
/// once by whichever replica comes first, then shared through PostgreSQL, sealed with the master key.
struct FleetAuthority: Sendable {
  let authority: CertificateAuthority
  let trustKey: PrivateKey
  private let keys: FleetKeyTable
  private let time: any TimeSource
  private let random: any RandomSource

  /// An authority outlives every appliance certificate it signs many times over.
  private static let life = Duration.seconds(20 * 365 * 86_400)

  static func load(
    _ keys: FleetKeyTable, time: any TimeSource, random: any RandomSource
  ) async throws -> FleetAuthority {
    let (key, certificate) = try await keys.key(named: "authority") {
      let made = try CertificateAuthority.create(name: "ArtStore fleet", validity: life, time: time, random: random)
      return (made.key, made.certificate.pem)
    }
    guard let certificate else { throw FleetError("the fleet's authority has no certificate in the database") }
    let (trustKey, _) = try await keys.key(named: "trust") { (try PrivateKey.p256(), nil) }
    return FleetAuthority(
      authority: try CertificateAuthority(certificate: try Certificate(pem: certificate), key: key),
      trustKey: trustKey, keys: keys, time: time, random: random)
  }

  /// The stable client key of a role: the administrator's is pinned by appliances.
  func roleKey(_ role: PeerRole) async throws -> PrivateKey {
    try await keys.key(named: "role \(role.rawValue)") { (try PrivateKey.p256(), nil) }.key
  }

  /// A client certificate for one of our roles.
  func issue(role: PeerRole, key: PublicKey, life: Duration) throws -> Certificate {
    guard let identity = PeerIdentity(role: role, name: "controlplane") else {
      throw FleetError("no identity can be made for the role \(role.rawValue)")
    }
    return try authority.issue(
      to: key, identity: identity, usage: .client, validity: life, time: time, random: random)
  }

  /// A client certificate for a site's own client system.
  func issue(localClient name: String, key: PublicKey, life: Duration) throws -> String {
    guard let identity = PeerIdentity(role: .client, name: name) else {
      throw FleetError("'\(name.prefix(80))' cannot stand in a certificate")
    }
    let leaf = try authority.issue(
      to: key, identity: identity, usage: .client, validity: life, time: time, random: random)
    return leaf.pem + authority.certificate.pem
  }

  /// A server certificate for an appliance's key. Name and usage are ours to say; the request brings only the key.
  func issue(appliance storageID: String, key: PublicKey, host: String, life: Duration) throws -> Certificate {
    guard let identity = PeerIdentity(role: .appliance, name: storageID) else {
      throw FleetError("'\(storageID.prefix(80))' cannot stand in a certificate")
    }
    return try authority.issue(
      to: key, identity: identity, usage: .server, hosts: [host], validity: life, time: time, random: random)
  }
}

/// Private keys in PostgreSQL, sealed.
struct FleetKeyTable: Sendable {
  let pool: PostgresPool
  let masterKey: MasterKey
  let random: any RandomSource

  /// The key under `name`; made by `make` when there is none. Of two replicas that make one, the first wins.
  func key(
    named name: String, make: () throws -> (PrivateKey, String?)
  ) async throws -> (key: PrivateKey, certificate: String?) {
    if let known = try await stored(name) { return known }
    let (key, certificate) = try make()
    let sealed = try masterKey.seal(Array(try key.pem.utf8), purpose: "fleet key \(name)", random: random)
    try await pool.query(
      """
      INSERT INTO fleet_keys (name, sealed_key, certificate) VALUES (\(name), \(sealed), \(certificate))
      ON CONFLICT (name) DO NOTHING
      """)
    guard let kept = try await stored(name) else { throw FleetError("the key '\(name)' was not kept") }
    return kept
  }

  /// Puts a key in place of whatever is there.
  func put(_ name: String, pem: String, certificate: String?, on connection: PostgresConnection) async throws {
    let sealed = try masterKey.seal(Array(pem.utf8), purpose: "fleet key \(name)", random: random)
    try await connection.query(
      """
      INSERT INTO fleet_keys (name, sealed_key, certificate) VALUES (\(name), \(sealed), \(certificate))
      ON CONFLICT (name) DO UPDATE SET sealed_key = excluded.sealed_key, certificate = excluded.certificate
      """)
  }

  func stored(_ name: String) async throws -> (key: PrivateKey, certificate: String?)? {
    guard let row = try await pool.query("SELECT sealed_key, certificate FROM fleet_keys WHERE name = \(name)").first
    else { return nil }
    let pem = try masterKey.open(try row.decode("sealed_key"), purpose: "fleet key \(name)")
    return (try PrivateKey(pem: String(decoding: pem, as: UTF8.self)), try row.decode("certificate"))
  }
}

/// What went wrong inside the fleet's own affairs, for the log.
struct FleetError: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}
