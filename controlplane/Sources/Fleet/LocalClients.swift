public import Core
internal import Crypto
internal import HTTP
public import Identity
public import JWT
internal import Postgres
internal import StorageAPI

/// A client system of a site, as the administrator sees it: it may work there by its certificate alone while the
/// control plane is out of reach (DESIGN §4.7).
public struct LocalClientEntry: Sendable {
  public let id: FileID
  public let name: String
  public let spki: Checksum
  public let scopes: Set<Scope>
  public let elements: [FileID]
  public let expiresAt: Timestamp
  public let createdBy: String
  public let createdAt: Timestamp
  public let renewedAt: Timestamp

  public var identity: String { "artstore://client/\(name)" }
}

/// What an administrator asks for.
public struct LocalClientDraft: Sendable {
  public var name: String
  /// PKCS #10, PEM: the key stays with the client.
  public var csr: String
  public var scopes: [String]
  public var elements: [FileID]
  /// 1–45.
  public var days: Int

  public init(name: String, csr: String, scopes: [String], elements: [FileID], days: Int) {
    self.name = name
    self.csr = csr
    self.scopes = scopes
    self.elements = elements
    self.days = days
  }
}

/// `fleet_local_clients`.
struct LocalClientTable: Sendable {
  let pool: PostgresPool
  let time: any TimeSource

  private static let columns: Query =
    "id, name, spki, scopes, storage_element_ids, expires_at, created_by, created_at, renewed_at"

  func list() async throws -> [LocalClientEntry] {
    try await pool.query("SELECT \(Self.columns) FROM fleet_local_clients ORDER BY name LIMIT 10000").map(Self.entry)
  }

  func entry(_ id: FileID) async throws -> (entry: LocalClientEntry, csr: String)? {
    guard let row = try await pool.query("SELECT \(Self.columns), csr FROM fleet_local_clients WHERE id = \(id)").first
    else { return nil }
    return (try Self.entry(row), try row.decode("csr"))
  }

  func insert(_ new: LocalClientEntry, csr: String, on connection: PostgresConnection) async throws {
    let count = try await connection.query("SELECT count(*) FROM fleet_local_clients").scalar(Int.self)
    guard count < LocalClient.countMax else {
      throw APIError(.conflict, "there are \(count) local clients already, more do not fit a key bundle; delete some")
    }
    try await connection.query(
      """
      INSERT INTO fleet_local_clients (id, name, spki, csr, scopes, storage_element_ids, expires_at, created_by,
        created_at, renewed_at)
      VALUES (\(new.id), \(new.name), \(new.spki), \(csr), \(new.scopes.map(\.rawValue).sorted()), \(new.elements),
        \(new.expiresAt), \(new.createdBy), \(new.createdAt), \(new.renewedAt))
      """)
  }

  func renew(_ id: FileID, until expiry: Timestamp, on connection: PostgresConnection) async throws {
    try await connection.query(
      "UPDATE fleet_local_clients SET expires_at = \(expiry), renewed_at = \(time.now()) WHERE id = \(id)")
  }

  func delete(_ id: FileID, on connection: PostgresConnection) async throws {
    try await connection.query("DELETE FROM fleet_local_clients WHERE id = \(id)")
  }

  /// What the bundle says: those not expired, each with the appliances it may use, in order.
  func forBundle() async throws -> [LocalClient] {
    try await pool.query(
      """
      SELECT name, spki, scopes, expires_at, ARRAY(
          SELECT e.storage_id FROM storage_elements e WHERE e.id = ANY (c.storage_element_ids) ORDER BY e.storage_id)
      FROM fleet_local_clients c WHERE expires_at > \(time.now()) ORDER BY name LIMIT \(LocalClient.countMax)
      """
    ).map { row in
      LocalClient(
        identity: "artstore://client/\(try row.decode(0, as: String.self))", spki: try row.decode(1),
        scopes: Set(try row.decode(2, as: [String].self).compactMap(Scope.init(rawValue:))),
        expiresAt: try row.decode(3), storageIDs: try row.decode(4))
    }
  }

  private static func entry(_ row: Row) throws -> LocalClientEntry {
    LocalClientEntry(
      id: try row.decode("id"), name: try row.decode("name"), spki: try row.decode("spki"),
      scopes: Set(try row.decode("scopes", as: [String].self).compactMap(Scope.init(rawValue:))),
      elements: try row.decode("storage_element_ids"), expiresAt: try row.decode("expires_at"),
      createdBy: try row.decode("created_by"), createdAt: try row.decode("created_at"),
      renewedAt: try row.decode("renewed_at"))
  }
}

extension FleetRegistry {
  public func localClients() async throws -> [LocalClientEntry] { try await locals.list() }

  public func localClient(_ id: FileID) async throws -> LocalClientEntry { try await kept(id).entry }

  /// Names a client of some sites and signs its certificate. The bundle carries it with the next contact of each site.
  public func addLocalClient(
    _ draft: LocalClientDraft, by actor: Actor
  ) async throws -> (entry: LocalClientEntry, certificate: String) {
    let scopes = try Self.scopes(draft.scopes)
    let life = try Self.life(draft.days)
    let request = try Self.request(draft.csr)
    guard PeerIdentity(role: .client, name: draft.name) != nil else {
      throw APIError(.validation, "name: 1–64 of the letters A–Z a–z 0–9 . _ - are needed")
    }
    guard (1...100).contains(draft.elements.count), Set(draft.elements).count == draft.elements.count else {
      throw APIError(.validation, "storage_element_ids: 1–100 different storage elements are needed")
    }
    for id in draft.elements { _ = try await get(id) }
    guard try await !revoked.contains(request.publicKey.spkiHash) else {
      throw APIError(.conflict, "csr: this key is revoked; make a new one")
    }
    let now = time.now()
    let entry = LocalClientEntry(
      id: .random(random), name: draft.name, spki: request.publicKey.spkiHash, scopes: scopes,
      elements: draft.elements, expiresAt: now + life, createdBy: actor.subject, createdAt: now, renewedAt: now)
    let certificate = try authority.issue(localClient: draft.name, key: request.publicKey, life: life)
    do {
      try await pool.transaction { connection in
        try await self.locals.insert(entry, csr: draft.csr, on: connection)
        try await self.record("local_client.create", entry, by: actor, on: connection)
      }
    } catch let error as PostgresError where error.isUniqueViolation {
      throw APIError(.conflict, "another local client has this name already; choose another", cause: error)
    }
    return (entry, certificate)
  }

  /// Another term for the same key: at most 45 days from now.
  public func renewLocalClient(
    _ id: FileID, days: Int, by actor: Actor
  ) async throws -> (entry: LocalClientEntry, certificate: String) {
    let (entry, csr) = try await kept(id)
    let life = try Self.life(days)
    let certificate = try authority.issue(localClient: entry.name, key: try Self.request(csr).publicKey, life: life)
    try await pool.transaction { connection in
      try await self.locals.renew(id, until: self.time.now() + life, on: connection)
      try await self.record("local_client.renew", entry, by: actor, on: connection)
    }
    return (try await kept(id).entry, certificate)
  }

  /// Takes it out of the bundle and revokes its key.
  public func removeLocalClient(_ id: FileID, reason: String, by actor: Actor) async throws {
    let (entry, _) = try await kept(id)
    try await pool.transaction { connection in
      try await self.locals.delete(id, on: connection)
      _ = try await self.revoked.add(
        entry.spki, subject: entry.identity, reason: reason, by: actor, endsAt: entry.expiresAt, on: connection)
      try await self.record("local_client.delete", entry, by: actor, on: connection)
    }
    revoked.forget()
  }

  private func kept(_ id: FileID) async throws -> (entry: LocalClientEntry, csr: String) {
    guard let found = try await locals.entry(id) else {
      throw APIError(.notFound, "there is no local client \(id); list them to see which there are")
    }
    return found
  }

  private func record(
    _ action: String, _ entry: LocalClientEntry, by actor: Actor, on connection: PostgresConnection
  ) async throws {
    try await audit.record(
      AuditEntry(
        actor: actor.subject, action: action, target: entry.identity, source: actor.source, trace: actor.trace,
        details: [
          "key_sha256": .string(entry.spki.description),
          "scopes": .array(entry.scopes.map(\.rawValue).sorted().map { .string($0) }),
          "storage_element_ids": .array(entry.elements.map { .string($0.description) }),
        ]),
      on: connection)
  }

  private static func scopes(_ names: [String]) throws(APIError) -> Set<Scope> {
    let scopes = Set(names.compactMap(Scope.init(rawValue:)))
    guard !names.isEmpty, scopes.count == names.count, scopes.isSubset(of: LocalClient.scopesAllowed) else {
      let known = LocalClient.scopesAllowed.map(\.rawValue).sorted().joined(separator: ", ")
      throw APIError(.validation, "scopes: one or more of \(known) are needed, each once")
    }
    return scopes
  }

  private static func life(_ days: Int) throws(APIError) -> Duration {
    guard (1...45).contains(days) else {
      throw APIError(.validation, "days: a whole number from 1 to 45 is needed")
    }
    return .seconds(days * 86_400)
  }

  private static func request(_ csr: String) throws(APIError) -> CertificateRequest {
    guard csr.utf8.count <= 16_384 else { throw APIError(.validation, "csr: more than 16 KiB") }
    do { return try CertificateRequest(pem: csr) } catch {
      throw APIError(.validation, "csr: a PKCS #10 request in PEM, signed by its own key, is needed")
    }
  }
}
