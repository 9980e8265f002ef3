public import Core
public import JWT

/// A person who runs the fleet.
public struct Administrator: Codable, Sendable, Hashable {
  public let id: FileID
  /// The name to log in with, and `sub` of its tokens; compared without case.
  public let login: String
  public let displayName: String
  public let role: AdminRole
  public let status: AccountStatus
  /// Until then no login works; nil: not locked.
  public let lockedUntil: Timestamp?
  public let mustChangePassword: Bool
  public let hasSecondFactor: Bool
  public let createdAt: Timestamp
  public let updatedAt: Timestamp
  public let passwordChangedAt: Timestamp
  public let lastLoginAt: Timestamp?

  enum CodingKeys: String, CodingKey {
    case id, login, role, status
    case displayName = "display_name"
    case lockedUntil = "locked_until"
    case mustChangePassword = "must_change_password"
    case hasSecondFactor = "totp_enabled"
    case createdAt = "created_at"
    case updatedAt = "updated_at"
    case passwordChangedAt = "password_changed_at"
    case lastLoginAt = "last_login_at"
  }
}

/// What is asked for a new administrator.
public struct AdministratorDraft: Codable, Sendable {
  public var login: String
  public var displayName: String?
  public var role: AdminRole
  /// Nil: a one-time password is made and returned.
  public var password: String?

  public init(login: String, displayName: String? = nil, role: AdminRole, password: String? = nil) {
    self.login = login
    self.displayName = displayName
    self.role = role
    self.password = password
  }

  enum CodingKeys: String, CodingKey, CaseIterable {
    case login, role, password
    case displayName = "display_name"
  }
}

/// What is changed; nil stays.
public struct AdministratorPatch: Codable, Sendable {
  public var displayName: String?
  public var role: AdminRole?
  public var status: AccountStatus?

  public init(displayName: String? = nil, role: AdminRole? = nil, status: AccountStatus? = nil) {
    self.displayName = displayName
    self.role = role
    self.status = status
  }

  enum CodingKeys: String, CodingKey, CaseIterable {
    case role, status
    case displayName = "display_name"
  }
}

/// An administrator with a password that works once: at the next login it must be changed.
public struct AdministratorWithPassword: Codable, Sendable {
  public let administrator: Administrator
  /// Nil when the caller chose the password.
  public let oneTimePassword: String?

  public init(administrator: Administrator, oneTimePassword: String?) {
    self.administrator = administrator
    self.oneTimePassword = oneTimePassword
  }

  /// The administrator's members with `one_time_password` beside them.
  public func encode(to encoder: any Encoder) throws {
    try administrator.encode(to: encoder)
    var container = encoder.container(keyedBy: PasswordKey.self)
    try container.encodeIfPresent(oneTimePassword, forKey: .password)
  }

  public init(from decoder: any Decoder) throws {
    administrator = try Administrator(from: decoder)
    oneTimePassword = try decoder.container(keyedBy: PasswordKey.self).decodeIfPresent(String.self, forKey: .password)
  }

  enum PasswordKey: String, CodingKey {
    case password = "one_time_password"
  }
}
