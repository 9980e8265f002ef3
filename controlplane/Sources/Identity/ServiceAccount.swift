public import Core
public import JWT

public enum AccountStatus: String, Codable, Sendable, Hashable, CaseIterable {
  case active
  case suspended
}

/// A program that gets tokens with its own secret.
public struct ServiceAccount: Codable, Sendable, Hashable {
  public let id: FileID
  /// `sa_<name>_<random>`: the OAuth client id, and `sub` of its tokens.
  public let clientID: String
  public let name: String
  public let description: String
  public let scopes: [Scope]
  public let status: AccountStatus
  /// When its newest secret ends; nil: never.
  public let secretExpiresAt: Timestamp?
  /// Secrets that work now: 1, during a rotation 2, 0 when all have ended.
  public let liveSecrets: Int
  public let createdBy: String
  public let createdAt: Timestamp
  public let updatedAt: Timestamp
  public let lastUsedAt: Timestamp?

  enum CodingKeys: String, CodingKey {
    case id, name, description, scopes, status
    case clientID = "client_id"
    case secretExpiresAt = "secret_expires_at"
    case liveSecrets = "live_secrets"
    case createdBy = "created_by"
    case createdAt = "created_at"
    case updatedAt = "updated_at"
    case lastUsedAt = "last_used_at"
  }
}

/// What is asked for a new account.
public struct ServiceAccountDraft: Codable, Sendable {
  public var name: String
  public var description: String?
  public var scopes: [Scope]
  /// Days until the secret ends, 0–3650; 0 is never; nil takes the setting (90).
  public var secretDays: Int?

  public init(name: String, description: String? = nil, scopes: [Scope], secretDays: Int? = nil) {
    self.name = name
    self.description = description
    self.scopes = scopes
    self.secretDays = secretDays
  }

  enum CodingKeys: String, CodingKey, CaseIterable {
    case name, description, scopes
    case secretDays = "secret_days"
  }
}

/// What is changed; nil stays.
public struct ServiceAccountPatch: Codable, Sendable {
  public var description: String?
  public var scopes: [Scope]?
  public var status: AccountStatus?

  public init(description: String? = nil, scopes: [Scope]? = nil, status: AccountStatus? = nil) {
    self.description = description
    self.scopes = scopes
    self.status = status
  }

  enum CodingKeys: String, CodingKey, CaseIterable {
    case description, scopes, status
  }
}

/// An account with its new secret: the only time the secret is seen.
public struct ServiceAccountWithSecret: Codable, Sendable {
  public let account: ServiceAccount
  public let secret: String

  /// The account's members with `client_secret` beside them.
  public func encode(to encoder: any Encoder) throws {
    try account.encode(to: encoder)
    var container = encoder.container(keyedBy: SecretKey.self)
    try container.encode(secret, forKey: .secret)
  }

  public init(account: ServiceAccount, secret: String) {
    self.account = account
    self.secret = secret
  }

  public init(from decoder: any Decoder) throws {
    account = try ServiceAccount(from: decoder)
    secret = try decoder.container(keyedBy: SecretKey.self).decode(String.self, forKey: .secret)
  }

  enum SecretKey: String, CodingKey {
    case secret = "client_secret"
  }
}
