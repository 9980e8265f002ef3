internal import CArgon2
internal import Core
internal import Crypto
internal import Glibc
internal import HTTP
internal import Reactor

/// Argon2id (RFC 9106) with the parameters OWASP names first: 19 MiB, 2 passes, 1 lane. Runs on a pool of its own with
/// few threads and a short queue, so that a flood of logins can neither stall token checks nor take all memory.
struct PasswordHashing: Sendable {
  private let pool: BlockingPool
  private let random: any RandomSource

  static let charactersMin = 12
  static let bytesMax = 512
  private static let memoryKiB: UInt32 = 19_456
  private static let passes: UInt32 = 2
  private static let lanes: UInt32 = 1
  private static let saltBytes = 16
  private static let hashBytes = 32
  private static let niceness: Int32 = 10

  init(pool: BlockingPool, random: any RandomSource) {
    self.pool = pool
    self.random = random
  }

  /// The text form `$argon2id$v=19$m=…,t=…,p=…$salt$hash`. Throws `APIError` OVERLOADED when the queue is full.
  func hash(_ password: String) async throws -> String {
    let salt = random.bytes(Self.saltBytes)
    return try await onPool {
      let length = argon2_encodedlen(
        Self.passes, Self.memoryKiB, Self.lanes, UInt32(Self.saltBytes), UInt32(Self.hashBytes), Argon2_id)
      var encoded = [CChar](repeating: 0, count: length)
      let bytes = Array(password.utf8)
      let status = argon2id_hash_encoded(
        Self.passes, Self.memoryKiB, Self.lanes, bytes, bytes.count, salt, salt.count, Self.hashBytes, &encoded, length)
      guard status == ARGON2_OK.rawValue else { throw IdentityError.passwordHashing(code: status) }
      return String(decoding: encoded.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
  }

  /// Whether `password` is the one behind `encoded`. With nil as `encoded` (no such administrator) it costs the same
  /// and is false.
  func verify(_ password: String, against encoded: String?) async throws -> Bool {
    guard password.utf8.count <= Self.bytesMax else { return false }
    guard let encoded else {
      _ = try await hash(password)
      return false
    }
    return try await onPool {
      let bytes = Array(password.utf8)
      let status = argon2id_verify(encoded, bytes, bytes.count)
      if status == ARGON2_OK.rawValue { return true }
      guard status == ARGON2_VERIFY_MISMATCH.rawValue else { throw IdentityError.passwordHashing(code: status) }
      return false
    }
  }

  private func onPool<R: Sendable>(_ work: @escaping @Sendable () throws -> R) async throws -> R {
    do {
      return try await pool.run {
        // This thread alone (Linux): whatever else the process does goes first on a busy machine. Refused or not, the
        // work is the same.
        _ = setpriority(Int32(PRIO_PROCESS.rawValue), 0, Self.niceness)
        return try work()
      }
    } catch let error as ReactorError {
      throw APIError(
        .overloaded, "too many logins at this moment; try again in a few seconds", headers: ["Retry-After": "5"],
        cause: error)
    }
  }

  /// Why `password` may not be used; nil if it may.
  static func objection(to password: String, login: String) -> String? {
    if password.count < charactersMin { return "password: at least \(charactersMin) characters are needed" }
    if password.utf8.count > bytesMax { return "password: at most \(bytesMax) bytes are allowed" }
    if Set(password).count < 5 { return "password: at least 5 different characters are needed" }
    if !login.isEmpty, password.lowercased().contains(login.lowercased()) {
      return "password: it must not contain the login"
    }
    return CommonPasswords.isOne(password)
      ? "password: it is among the most common ones, or one of them with ornaments; take several words" : nil
  }
}
