public import Core
internal import Crypto

/// What the site operator reads off the terminal and the administrator types into the console: a secret of 80 bits, the
/// first 128 bits of the SHA-256 of the appliance's public key (SPKI), and a checksum of 17 bits against typing errors.
/// 225 bits are 45 digits of Crockford's base 32 (no I, L, O, U), in nine groups of five.
public struct ClaimCode: Sendable, Hashable {
  /// 10 bytes. Never logged, never sent: both sides prove that they know it.
  public let secret: [UInt8]
  /// 16 bytes: the head of the SHA-256 of the appliance's SPKI.
  public let keyHash: [UInt8]

  public static let secretByteCount = 10
  public static let keyHashByteCount = 16
  static let digitCount = 45
  static let alphabet = Array("0123456789ABCDEFGHJKMNPQRSTVWXYZ".utf8)

  /// `secret` is 10 bytes; nil for another count.
  public init?(secret: [UInt8], spkiHash: Checksum) {
    guard secret.count == Self.secretByteCount else { return nil }
    self.secret = secret
    self.keyHash = Array(spkiHash.bytes.prefix(Self.keyHashByteCount))
  }

  /// Whether the key that answered is the one this code was printed for.
  public func matches(spkiHash: Checksum) -> Bool {
    ConstantTime.equal(keyHash, Array(spkiHash.bytes.prefix(Self.keyHashByteCount)))
  }

  /// `ABCDE-FGHJK-…`, nine groups.
  public var text: String {
    let bytes = secret + keyHash
    let check = Self.check(bytes)
    var bits = BitReader(bytes: bytes + [UInt8(check >> 9), UInt8(check >> 1 & 255), UInt8(check & 1) << 7])
    var digits: [UInt8] = []
    for index in 0..<Self.digitCount {
      if index > 0, index % 5 == 0 { digits.append(UInt8(ascii: "-")) }
      digits.append(Self.alphabet[bits.next(5)])
    }
    return String(decoding: digits, as: UTF8.self)
  }

  /// Reads what a person typed: either case, with or without hyphens and spaces, O for 0, I and L for 1. Nil when the
  /// count or the checksum is wrong.
  public init?(text: String) {
    var bytes: [UInt8] = []
    var word: UInt64 = 0
    var held = 0
    var count = 0
    for character in text.utf8 where character != UInt8(ascii: "-") && character != UInt8(ascii: " ") {
      guard count < Self.digitCount, let digit = Self.value(character) else { return nil }
      count += 1
      word = (word << 5 | UInt64(digit)) & 0xFFFF_FFFF
      held += 5
      if held >= 8, bytes.count < 28 {
        held -= 8
        bytes.append(UInt8(truncatingIfNeeded: word >> UInt64(held)))
      }
    }
    guard count == Self.digitCount, bytes.count == 28 else { return nil }
    let body = Array(bytes.prefix(26))
    let check = UInt32(bytes[26]) << 9 | UInt32(bytes[27]) << 1 | UInt32(word & 1)
    guard Self.check(body) == check else { return nil }
    secret = Array(body.prefix(Self.secretByteCount))
    keyHash = Array(body.suffix(Self.keyHashByteCount))
  }

  private static func check(_ bytes: [UInt8]) -> UInt32 {
    let digest = SHA256.digest(Array("artstore-claim-code-v1".utf8) + bytes).bytes
    return UInt32(digest[0]) << 9 | UInt32(digest[1]) << 1 | UInt32(digest[2] >> 7)
  }

  private static func value(_ character: UInt8) -> Int? {
    let upper = (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(character) ? character - 32 : character
    switch upper {
    case UInt8(ascii: "O"): return 0
    case UInt8(ascii: "I"), UInt8(ascii: "L"): return 1
    default: return alphabet.firstIndex(of: upper)
    }
  }
}

/// Takes bits off bytes, the most significant first.
private struct BitReader {
  let bytes: [UInt8]
  var position = 0

  mutating func next(_ count: Int) -> Int {
    var value = 0
    for _ in 0..<count {
      value = value << 1 | Int(bytes[position / 8] >> UInt8(7 - position % 8) & 1)
      position += 1
    }
    return value
  }
}
