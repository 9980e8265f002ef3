public import Core

/// What a token says (RFC 7519 §4, and the contract's `scopes`, `role`, `act`). Times have whole seconds.
public struct TokenClaims: Sendable, Hashable {
  /// `iss`
  public var issuer: String
  /// `sub`
  public var subject: String
  /// `aud`
  public var audience: [String]
  /// `iat`
  public var issuedAt: Timestamp
  /// `nbf`; the same as `iat` when the token has none.
  public var notBefore: Timestamp
  /// `exp`
  public var expiresAt: Timestamp
  /// `jti`
  public var tokenID: String
  /// `scopes` (array) or `scope` (separated by spaces). Scopes unknown here are left out.
  public var scopes: Set<Scope>
  /// `role`, of administrators.
  public var role: AdminRole?
  /// `act`: the person or program that the subject, a control-plane role, acts for.
  public var actsFor: String?

  public init(
    issuer: String, subject: String, audience: [String], issuedAt: Timestamp, notBefore: Timestamp,
    expiresAt: Timestamp, tokenID: String, scopes: Set<Scope>, role: AdminRole? = nil, actsFor: String? = nil
  ) {
    self.issuer = issuer
    self.subject = subject
    self.audience = audience
    self.issuedAt = issuedAt
    self.notBefore = notBefore
    self.expiresAt = expiresAt
    self.tokenID = tokenID
    self.scopes = scopes
    self.role = role
    self.actsFor = actsFor
  }
}

extension TokenClaims: Codable {
  enum CodingKeys: String, CodingKey {
    case iss, sub, aud, iat, nbf, exp, jti, scopes, scope, role, act
  }

  public init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: CodingKeys.self)
    issuer = try fields.decode(String.self, forKey: .iss)
    subject = try Self.text(fields, .sub)
    if let one = try? fields.decode(String.self, forKey: .aud) {  // RFC 7519 §4.1.3: one text is allowed too
      audience = [one]
    } else {
      audience = try fields.decode([String].self, forKey: .aud)
    }
    issuedAt = try Self.time(fields, .iat)
    notBefore = fields.contains(.nbf) ? try Self.time(fields, .nbf) : issuedAt
    expiresAt = try Self.time(fields, .exp)
    tokenID = try Self.text(fields, .jti)
    var names = try fields.decodeIfPresent([String].self, forKey: .scopes) ?? []
    names += try fields.decodeIfPresent(String.self, forKey: .scope)?.split(separator: " ").map(String.init) ?? []
    scopes = Set(names.compactMap(Scope.init(rawValue:)))
    role = try fields.decodeIfPresent(AdminRole.self, forKey: .role)
    actsFor = try fields.decodeIfPresent(String.self, forKey: .act)
  }

  public func encode(to encoder: any Encoder) throws {
    var fields = encoder.container(keyedBy: CodingKeys.self)
    try fields.encode(issuer, forKey: .iss)
    try fields.encode(subject, forKey: .sub)
    if audience.count == 1 {
      try fields.encode(audience[0], forKey: .aud)
    } else {
      try fields.encode(audience, forKey: .aud)
    }
    try fields.encode(issuedAt.seconds, forKey: .iat)
    try fields.encode(notBefore.seconds, forKey: .nbf)
    try fields.encode(expiresAt.seconds, forKey: .exp)
    try fields.encode(tokenID, forKey: .jti)
    try fields.encode(scopes.map(\.rawValue).sorted(), forKey: .scopes)
    try fields.encodeIfPresent(role, forKey: .role)
    try fields.encodeIfPresent(actsFor, forKey: .act)
  }

  private static func text(_ fields: KeyedDecodingContainer<CodingKeys>, _ key: CodingKeys) throws -> String {
    let text = try fields.decode(String.self, forKey: key)
    guard !text.isEmpty else {
      throw DecodingError.dataCorruptedError(forKey: key, in: fields, debugDescription: "must not be empty")
    }
    return text
  }

  /// A NumericDate (RFC 7519 §2): seconds since the epoch, a fraction allowed and cut off; years 1970 to 9999.
  private static func time(_ fields: KeyedDecodingContainer<CodingKeys>, _ key: CodingKeys) throws -> Timestamp {
    let seconds = try fields.decode(Double.self, forKey: key)
    guard (0..<253_402_300_800).contains(seconds) else {
      throw DecodingError.dataCorruptedError(forKey: key, in: fields, debugDescription: "not a time")
    }
    return Timestamp(seconds: Int64(seconds))
  }
}
