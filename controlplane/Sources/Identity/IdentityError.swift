/// What can go wrong inside Identity that is no client's fault.
public enum IdentityError: Error, Sendable, CustomStringConvertible {
  /// The signing keys were never loaded: PostgreSQL did not answer since start.
  case noSigningKey
  case passwordHashing(code: Int32)
  case qrCode(code: Int32)
  case corruptRow(table: String, detail: String)

  public var description: String {
    switch self {
    case .noSigningKey: "no signing key is loaded; the database did not answer since the start"
    case .passwordHashing(let code): "Argon2id failed with code \(code)"
    case .qrCode(let code): "making a QR code failed with errno \(code)"
    case .corruptRow(let table, let detail): "a row of \(table) cannot be read: \(detail)"
    }
  }
}
