internal import Core
internal import Crypto
internal import HTTP
internal import Postgres

/// What is shown once while a second factor is set up.
public struct SecondFactorOffer: Encodable, Sendable {
  /// Base32, to be typed into an app.
  public let secret: String
  /// The same for a QR code.
  public let uri: String
  public let code: QRCode

  enum CodingKeys: String, CodingKey {
    case secret
    case uri = "otpauth_uri"
    case svg = "qr_svg"
  }

  public func encode(to encoder: any Encoder) throws {
    var fields = encoder.container(keyedBy: CodingKeys.self)
    try fields.encode(secret, forKey: .secret)
    try fields.encode(uri, forKey: .uri)
    try fields.encode(code.svg, forKey: .svg)
  }
}

/// The second factor of administrators: TOTP, with recovery codes that work once each. Secrets are sealed with the
/// master key; recovery codes are kept as HMAC.
public struct SecondFactor: Sendable {
  let pool: PostgresPool
  let audit: Audit
  let masterKey: MasterKey
  let time: any TimeSource
  let random: any RandomSource

  static let issuer = "ArtStore"
  static let recoveryCodes = 10

  /// Makes a new secret; it counts once `confirm` has seen a code of it. CONFLICT when one is confirmed already.
  public func offer(to administrator: Administrator) async throws -> SecondFactorOffer {
    guard !administrator.hasSecondFactor else {
      throw APIError(.conflict, "a second factor is set up already; remove it first")
    }
    let totp = TOTP(secret: random.bytes(TOTP.secretBytes))
    let sealed = try masterKey.seal(totp.secret, purpose: purpose(administrator.id), random: random)
    try await pool.query(
      """
      UPDATE identity_administrators SET totp_sealed = \(sealed), totp_last_step = 0
      WHERE id = \(administrator.id) AND NOT totp_confirmed
      """)
    let uri = totp.uri(login: administrator.login, issuer: Self.issuer)
    return SecondFactorOffer(secret: totp.base32, uri: uri, code: try QRCode(uri))
  }

  /// Turns the offered factor on. Returns the recovery codes, seen only now.
  public func confirm(_ code: String, of administrator: Administrator, by actor: Actor) async throws -> [String] {
    let codes = (0..<Self.recoveryCodes).map { _ in Base32.encode(random.bytes(10)).lowercased() }
    let hashes = codes.map { hash($0, administrator.id) }
    return try await pool.transaction { connection in
      guard let row = try await self.row(administrator.id, on: connection),
        let sealed = try row.decode("totp_sealed", as: [UInt8]?.self)
      else { throw APIError(.conflict, "no second factor was offered; POST /api/v1/auth/totp first") }
      if try row.decode("totp_confirmed", as: Bool.self) {
        throw APIError(.conflict, "a second factor is set up already; remove it first")
      }
      let totp = TOTP(secret: try self.masterKey.open(sealed, purpose: self.purpose(administrator.id)))
      guard let step = totp.match(code, at: self.time.now(), after: 0) else {
        throw APIError(.validation, "code: wrong; check the clock of the device and send the present code")
      }
      try await connection.query(
        """
        UPDATE identity_administrators SET totp_confirmed = true, totp_last_step = \(step),
          recovery_hashes = \(hashes), updated_at = \(self.time.now()) WHERE id = \(administrator.id)
        """)
      try await self.audit.record(actor.did("second_factor.enable", on: administrator.login), on: connection)
      return codes
    }
  }

  /// Takes the factor away; whoever asks proves it with a code of it.
  public func remove(_ code: String, of administrator: Administrator, by actor: Actor) async throws {
    guard try await accept(code, of: administrator.id) else {
      throw APIError(.forbidden, "code: wrong or used already")
    }
    try await pool.transaction { connection in
      try await connection.query(
        """
        UPDATE identity_administrators SET totp_sealed = NULL, totp_confirmed = false, recovery_hashes = '{}',
          updated_at = \(self.time.now()) WHERE id = \(administrator.id)
        """)
      try await self.audit.record(actor.did("second_factor.disable", on: administrator.login), on: connection)
    }
  }

  /// Takes a code of the app, or a recovery code, out of use; false when it is neither.
  func accept(_ code: String, of id: FileID) async throws -> Bool {
    let code = String(code.lowercased().filter { !$0.isWhitespace && $0 != "-" })
    guard code.utf8.count <= 40 else { return false }
    return try await pool.transaction { connection in
      guard let row = try await self.row(id, on: connection), try row.decode("totp_confirmed", as: Bool.self),
        let sealed = try row.decode("totp_sealed", as: [UInt8]?.self)
      else { return false }
      let totp = TOTP(secret: try self.masterKey.open(sealed, purpose: self.purpose(id)))
      if let step = totp.match(code, at: self.time.now(), after: try row.decode("totp_last_step", as: Int64.self)) {
        try await connection.query("UPDATE identity_administrators SET totp_last_step = \(step) WHERE id = \(id)")
        return true
      }
      let taken = try await connection.query(
        """
        UPDATE identity_administrators SET recovery_hashes = array_remove(recovery_hashes, \(self.hash(code, id)))
        WHERE id = \(id) AND \(self.hash(code, id)) = ANY (recovery_hashes)
        """)
      return taken.affected == 1
    }
  }

  private func row(_ id: FileID, on connection: PostgresConnection) async throws -> Row? {
    try await connection.query(
      """
      SELECT totp_sealed, totp_confirmed, totp_last_step FROM identity_administrators WHERE id = \(id) FOR UPDATE
      """
    ).first
  }

  private func purpose(_ id: FileID) -> String { "totp \(id)" }

  private func hash(_ code: String, _ id: FileID) -> String {
    Hex.encode(HMACSHA256.code(key: masterKey.derive("recovery codes"), message: Array("\(id) \(code)".utf8)))
  }
}
