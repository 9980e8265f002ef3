/// How long things live and how many tries there are. Changed by administrators (`/settings`), stored in PostgreSQL,
/// read again by every replica within `refreshInterval`.
public struct IdentitySettings: Codable, Sendable, Hashable {
  /// Life of access tokens, minutes, 5–60.
  public var accessTokenMinutes = 30
  /// Life of refresh tokens, days, 1–30.
  public var refreshTokenDays = 7
  /// Life of client secrets when nobody says otherwise, days; 0 is for ever.
  public var secretDays = 90
  /// Wrong passwords in a row before a login is locked, 3–20.
  public var loginFailuresMax = 5
  /// How long a lock lasts, minutes, 1–1440.
  public var lockMinutes = 15
  /// A new signing key every so many hours, 1–720.
  public var keyRotationHours = 24
  /// How long audit records are kept, days, 90–36500: seven years.
  public var auditRetentionDays = 2557

  public init() {}

  enum CodingKeys: String, CodingKey, CaseIterable {
    case accessTokenMinutes = "access_token_minutes"
    case refreshTokenDays = "refresh_token_days"
    case secretDays = "secret_days"
    case loginFailuresMax = "login_failures_max"
    case lockMinutes = "lock_minutes"
    case keyRotationHours = "key_rotation_hours"
    case auditRetentionDays = "audit_retention_days"
  }

  /// One row of the table of what may be set.
  struct Field: Sendable {
    let key: CodingKeys
    let range: ClosedRange<Int>
    let path: any WritableKeyPath<IdentitySettings, Int> & Sendable
  }

  static let fields: [Field] = [
    Field(key: .accessTokenMinutes, range: 5...60, path: \.accessTokenMinutes),
    Field(key: .refreshTokenDays, range: 1...30, path: \.refreshTokenDays),
    Field(key: .secretDays, range: 0...3650, path: \.secretDays),
    Field(key: .loginFailuresMax, range: 3...20, path: \.loginFailuresMax),
    Field(key: .lockMinutes, range: 1...1440, path: \.lockMinutes),
    Field(key: .keyRotationHours, range: 1...720, path: \.keyRotationHours),
    Field(key: .auditRetentionDays, range: 90...36_500, path: \.auditRetentionDays),
  ]

  var accessTokenLife: Duration { .seconds(accessTokenMinutes * 60) }
  var refreshTokenLife: Duration { .seconds(refreshTokenDays * 86_400) }
  var lockDuration: Duration { .seconds(lockMinutes * 60) }
  var auditRetention: Duration { .seconds(auditRetentionDays * 86_400) }
  var keyRotation: Duration { .seconds(keyRotationHours * 3600) }
}
