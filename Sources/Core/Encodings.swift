/// Hexadecimal text (RFC 4648 §8), written in lower case, read in either.
public enum Hex {
  static let digits = Array("0123456789abcdef".utf8)

  public static func encode(_ bytes: some Sequence<UInt8>) -> String {
    // An array of its own: walking it costs callers of other modules no call for each byte.
    let bytes = Array(bytes)
    var out: [UInt8] = []
    out.reserveCapacity(bytes.count * 2)
    for byte in bytes {
      out.append(digits[Int(byte >> 4)])
      out.append(digits[Int(byte & 15)])
    }
    return String(decoding: out, as: UTF8.self)
  }

  /// Nil for an odd count or a foreign character.
  public static func decode(_ text: some StringProtocol) -> [UInt8]? {
    let source = Array(text.utf8)
    guard source.count % 2 == 0 else { return nil }
    var out: [UInt8] = []
    out.reserveCapacity(source.count / 2)
    for index in stride(from: 0, to: source.count, by: 2) {
      guard let high = value(source[index]), let low = value(source[index + 1]) else { return nil }
      out.append(high << 4 | low)
    }
    return out
  }

  static func value(_ digit: UInt8) -> UInt8? {
    switch digit {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
    default: nil
    }
  }
}

/// Base64 (RFC 4648): `standard` with padding (§4), `url` without (§5, as JOSE uses it). Decoding is strict: no foreign
/// characters, no missing or surplus padding, no stray bits, so that one value has one text.
public enum Base64: Sendable {
  case standard
  case url

  private static let standardDigits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
  private static let urlDigits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

  public func encode(_ bytes: some Sequence<UInt8>) -> String {
    let digits = self == .url ? Self.urlDigits : Self.standardDigits
    let bytes = Array(bytes)  // as in `Hex`
    var out: [UInt8] = []
    out.reserveCapacity((bytes.count + 2) / 3 * 4)
    var word: UInt32 = 0
    var held = 0
    for byte in bytes {
      word = word << 8 | UInt32(byte)
      held += 1
      if held == 3 {
        for shift in [18, 12, 6, 0] { out.append(digits[Int(word >> UInt32(shift) & 63)]) }
        (word, held) = (0, 0)
      }
    }
    if held > 0 {
      word <<= UInt32(8 * (3 - held))
      for shift in [18, 12, 6].prefix(held + 1) { out.append(digits[Int(word >> UInt32(shift) & 63)]) }
      if self == .standard { out.append(contentsOf: repeatElement(UInt8(ascii: "="), count: 3 - held)) }
    }
    return String(decoding: out, as: UTF8.self)
  }

  public func decode(_ text: some StringProtocol) -> [UInt8]? {
    var source = Array(text.utf8)
    if self == .standard {
      guard source.count % 4 == 0 else { return nil }
      for _ in 0..<2 where source.last == UInt8(ascii: "=") { source.removeLast() }
    }
    guard source.count % 4 != 1 else { return nil }
    var out: [UInt8] = []
    out.reserveCapacity(source.count * 3 / 4)
    var word: UInt32 = 0
    var bits = 0
    for byte in source {
      guard let digit = value(byte) else { return nil }
      word = word << 6 | UInt32(digit)
      bits += 6
      if bits >= 8 {
        bits -= 8
        out.append(UInt8(truncatingIfNeeded: word >> UInt32(bits)))
        word &= (1 << UInt32(bits)) - 1
      }
    }
    return word == 0 ? out : nil
  }

  private func value(_ digit: UInt8) -> UInt8? {
    switch (digit, self) {
    case (UInt8(ascii: "A")...UInt8(ascii: "Z"), _): digit - UInt8(ascii: "A")
    case (UInt8(ascii: "a")...UInt8(ascii: "z"), _): digit - UInt8(ascii: "a") + 26
    case (UInt8(ascii: "0")...UInt8(ascii: "9"), _): digit - UInt8(ascii: "0") + 52
    case (UInt8(ascii: "+"), .standard), (UInt8(ascii: "-"), .url): 62
    case (UInt8(ascii: "/"), .standard), (UInt8(ascii: "_"), .url): 63
    default: nil
    }
  }
}
