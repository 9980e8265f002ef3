internal import Core
internal import Crypto

/// The `jti` of tokens made here: base64url of 8 bytes with the moment of issue in microseconds since 1970 (big-endian)
/// and 16 random ones. `iat` has whole seconds, because libraries of clients expect that and refuse times that lie
/// ahead; which of two acts of one second came first is read here. Tokens of before 2026-11-29 have 16 random bytes
/// only.
enum TokenID {
  private static let randomBytes = 16

  static func make(at moment: Timestamp, random: any RandomSource) -> String {
    let stamp = (0..<8).map { UInt8(truncatingIfNeeded: moment.microseconds >> Int64(56 - 8 * $0)) }
    return Base64.url.encode(stamp + random.bytes(randomBytes))
  }

  /// Nil for an id of the older form.
  static func moment(of tokenID: String) -> Timestamp? {
    guard tokenID.utf8.count == 32, let bytes = Base64.url.decode(tokenID), bytes.count == 8 + randomBytes
    else { return nil }
    return Timestamp(microseconds: bytes.prefix(8).reduce(Int64(0)) { $0 << 8 | Int64($1) })
  }
}
