public import Core
internal import Crypto

/// The key that encrypts private keys and second factors at rest (AES-256-GCM) and from which every other secret of the
/// control plane is derived. It comes from the environment or a 0600 file and never enters the database.
public struct MasterKey: Sendable {
  private let key: [UInt8]

  /// - Parameter bytes: exactly 32 random bytes.
  public init(bytes: [UInt8]) throws(MasterKeyError) {
    guard bytes.count == 32 else { throw .wrongSize(bytes.count) }
    key = bytes
  }

  /// From its text: 64 hexadecimal digits, or base64 of 32 bytes (`openssl rand -base64 32`).
  public init(text: String) throws(MasterKeyError) {
    let trimmed = String(text.filter { !$0.isWhitespace })
    if trimmed.utf8.count == 64, let bytes = Hex.decode(trimmed) {
      try self.init(bytes: bytes)
    } else if let bytes = Base64.standard.decode(trimmed) {
      try self.init(bytes: bytes)
    } else {
      throw .unreadable
    }
  }

  /// Encrypts `plain`. `purpose` names what it is and for whom; `open` needs the same text, so that sealed values
  /// cannot change places.
  public func seal(_ plain: [UInt8], purpose: String, random: any RandomSource) throws -> [UInt8] {
    try AESGCM.seal(plain, key: derive("seal"), authenticating: Array(purpose.utf8), random: random)
  }

  /// Decrypts what `seal` made under the same key and purpose; throws when either differs or a byte was changed.
  public func open(_ sealed: [UInt8], purpose: String) throws -> [UInt8] {
    try AESGCM.open(sealed, key: derive("seal"), authenticating: Array(purpose.utf8))
  }

  /// 32 bytes for one purpose (HMAC-SHA256 as a pseudo-random function of the label).
  public func derive(_ label: String) -> [UInt8] {
    HMACSHA256.code(key: key, message: Array("artstore-master-v1 \(label)".utf8))
  }
}

/// Why a text is no master key, or not this database's.
public enum MasterKeyError: Error, Sendable, CustomStringConvertible {
  case wrongSize(Int)
  case unreadable
  case otherDatabase

  public var description: String {
    switch self {
    case .wrongSize(let count): "the master key has \(count) bytes; it needs 32 (openssl rand -base64 32)"
    case .unreadable: "the master key is neither 64 hexadecimal digits nor base64 of 32 bytes (openssl rand -base64 32)"
    case .otherDatabase:
      "the master key is not the one this database was set up with: nothing sealed in it can be read; "
        + "give the first key"
    }
  }
}
