public import Core
internal import Crypto
public import JWT

/// A client system of a site that keeps working while the control plane is out of reach: it is authorised by its
/// certificate alone, for at most 45 days after the bundle that names it was signed.
public struct LocalClient: Sendable, Hashable, Codable {
  /// The URI in its certificate's subject alternative name: `artstore://client/<name>`.
  public var identity: String
  /// SHA-256 of its key (SPKI): another certificate of the same name is not the same client.
  public var spki: Checksum
  /// Of `files:read`, `files:write` and `storage:read`.
  public var scopes: Set<Scope>
  public var expiresAt: Timestamp
  /// The appliances that it may use.
  public var storageIDs: [String]

  /// What a local client may be given: nothing that runs a fleet.
  public static let scopesAllowed: Set<Scope> = [.filesRead, .filesWrite, .storageRead]
  /// From the bundle's signature to the last day that any client in it may work.
  public static let lifeMax = Duration.seconds(45 * 86_400)
  /// Bundles name no more than this many; they have to fit one delivery.
  public static let countMax = 500

  enum CodingKeys: String, CodingKey {
    case identity, spki, scopes
    case expiresAt = "expires_at"
    case storageIDs = "storage_ids"
  }

  public init(identity: String, spki: Checksum, scopes: Set<Scope>, expiresAt: Timestamp, storageIDs: [String]) {
    self.identity = identity
    self.spki = spki
    self.scopes = scopes
    self.expiresAt = expiresAt
    self.storageIDs = storageIDs
  }

  public init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: CodingKeys.self)
    identity = try fields.decode(String.self, forKey: .identity)
    spki = try fields.decode(Checksum.self, forKey: .spki)
    // A scope that a newer control plane knows is none here.
    scopes = Set(try fields.decode([String].self, forKey: .scopes).compactMap(Scope.init(rawValue:)))
    expiresAt = try fields.decode(Timestamp.self, forKey: .expiresAt)
    storageIDs = try fields.decode([String].self, forKey: .storageIDs)
  }

  public func encode(to encoder: any Encoder) throws {
    var fields = encoder.container(keyedBy: CodingKeys.self)
    try fields.encode(identity, forKey: .identity)
    try fields.encode(spki, forKey: .spki)
    // In order: the same client must be the same bytes, or every look would make a new bundle.
    try fields.encode(scopes.map(\.rawValue).sorted(), forKey: .scopes)
    try fields.encode(expiresAt, forKey: .expiresAt)
    try fields.encode(storageIDs, forKey: .storageIDs)
  }
}

extension KeyBundle {
  /// What this client may do at this appliance at `now`; nothing when it is not named, for another key, expired, or
  /// revoked.
  public func scopes(ofLocalClient identity: String, spki: Checksum, storageID: String, now: Timestamp) -> Set<Scope> {
    guard !revokedKeys.contains(spki),
      let client = localClients?.prefix(LocalClient.countMax).first(where: {
        $0.identity == identity && $0.spki == spki
      }),
      client.storageIDs.contains(storageID), now < min(client.expiresAt, issuedAt + LocalClient.lifeMax)
    else { return [] }
    return client.scopes.intersection(LocalClient.scopesAllowed)
  }
}
