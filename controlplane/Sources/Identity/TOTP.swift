internal import Core
internal import Crypto
internal import HTTP

/// One-time codes from time (RFC 6238) in the form every authenticator app knows: SHA-1, 6 digits, steps of 30 s.
struct TOTP: Sendable {
  let secret: [UInt8]

  static let secretBytes = 20
  static let stepSeconds: Int64 = 30
  /// Steps before and after the present one that are accepted: clocks differ.
  static let window: Int64 = 1

  /// The code of one step (RFC 4226 §5.3, dynamic truncation).
  func code(step: Int64) -> String {
    let message = (0..<8).map { UInt8(truncatingIfNeeded: step >> Int64(56 - 8 * $0)) }
    let digest = HMACSHA1.code(key: secret, message: message)
    let offset = Int(digest[19] & 15)
    let word = digest[offset..<(offset + 4)].reduce(UInt32(0)) { $0 << 8 | UInt32($1) } & 0x7FFF_FFFF
    let digits = String(word % 1_000_000)
    return String(repeating: "0", count: 6 - digits.count) + digits
  }

  /// The step whose code this is, if it lies in the window and after `last`: a code works once.
  func match(_ code: String, at time: Timestamp, after last: Int64) -> Int64? {
    let present = time.seconds / Self.stepSeconds
    for step in (present - Self.window)...(present + Self.window) where step > last {
      if ConstantTime.equal(self.code(step: step), code) { return step }
    }
    return nil
  }

  /// What an app reads, typed or as a QR code.
  func uri(login: String, issuer: String) -> String {
    let label = PercentEncoding.encode("\(issuer):\(login)")
    let query = "secret=\(base32)&issuer=\(PercentEncoding.encode(issuer))&algorithm=SHA1&digits=6&period=30"
    return "otpauth://totp/\(label)?\(query)"
  }

  /// RFC 4648 §6 without padding.
  var base32: String { Base32.encode(secret) }
}

enum Base32 {
  private static let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".utf8)

  static func encode(_ bytes: [UInt8]) -> String {
    var out: [UInt8] = []
    var word: UInt32 = 0
    var bits: UInt32 = 0
    for byte in bytes {
      word = word << 8 | UInt32(byte)
      bits += 8
      while bits >= 5 {
        out.append(digits[Int(word >> (bits - 5) & 31)])
        bits -= 5
      }
    }
    if bits > 0 { out.append(digits[Int(word << (5 - bits) & 31)]) }
    return String(decoding: out, as: UTF8.self)
  }
}
