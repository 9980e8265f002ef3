public import Core
public import JWT

/// What an appliance trusts: delivered as a `SignedMessage` at every contact that needs it. Its version only goes
/// forward.
public struct KeyBundle: Sendable, Codable {
  /// Always `key_bundle`: keeps another signed document from being taken for one.
  public var kind: String
  public var version: Int
  public var issuedAt: Timestamp
  /// The `iss` that tokens must carry.
  public var issuer: String
  public var keys: JSONWebKeySet
  /// The CA of those who may connect, PEM.
  public var clientCA: String
  /// SHA-256 of the public keys (SPKI) whose client certificates are no longer accepted.
  public var revokedKeys: [Checksum]
  /// Base64 of the fleet trust key's SPKI. Pinned by the first bundle; another one is refused.
  public var trustKey: String
  /// Who may work at a site without tokens, by certificate alone (DESIGN §4.7). Absent in bundles before 1.1.
  public var localClients: [LocalClient]?
  /// SHA-256 of the administrator's client key, hex, when it is not the one pinned at the claim any more.
  public var adminSPKI: Checksum?

  public static let kindName = "key_bundle"

  enum CodingKeys: String, CodingKey {
    case kind, version, issuer, keys
    case issuedAt = "issued_at"
    case clientCA = "client_ca"
    case revokedKeys = "revoked_keys"
    case trustKey = "trust_key"
    case localClients = "local_clients"
    case adminSPKI = "admin_spki"
  }

  public init(
    version: Int, issuedAt: Timestamp, issuer: String, keys: JSONWebKeySet, clientCA: String,
    revokedKeys: [Checksum] = [], trustKey: String, localClients: [LocalClient]? = nil, adminSPKI: Checksum? = nil
  ) {
    kind = Self.kindName
    self.version = version
    self.issuedAt = issuedAt
    self.issuer = issuer
    self.keys = keys
    self.clientCA = clientCA
    self.revokedKeys = revokedKeys
    self.trustKey = trustKey
    self.localClients = localClients
    self.adminSPKI = adminSPKI
  }
}

/// Answer to `PUT /trust`.
public struct TrustAnswer: Sendable, Codable {
  /// The bundle's version now trusted: the delivered one, or a newer one the appliance already had.
  public var version: Int

  public init(version: Int) { self.version = version }
}
