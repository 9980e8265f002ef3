/// Percent-encoding (RFC 3986 §2.1).
public enum PercentEncoding {
  /// The decoded bytes; nil when a `%` is not followed by two hexadecimal digits.
  /// - Parameter plusIsSpace: `+` stands for a space, as in forms (WHATWG URL §5.1).
  public static func decode(_ encoded: some Sequence<UInt8>, plusIsSpace: Bool = false) -> [UInt8]? {
    var out: [UInt8] = []
    out.reserveCapacity(encoded.underestimatedCount)
    var bytes = encoded.makeIterator()
    while let byte = bytes.next() {
      switch byte {
      case UInt8(ascii: "%"):
        guard let high = bytes.next().flatMap(hexDigit), let low = bytes.next().flatMap(hexDigit) else { return nil }
        out.append(high << 4 | low)
      case UInt8(ascii: "+") where plusIsSpace: out.append(UInt8(ascii: " "))
      default: out.append(byte)
      }
    }
    return out
  }

  /// The same as text; nil when the escapes are malformed or the bytes are not UTF-8.
  public static func decodeText(_ encoded: some Sequence<UInt8>, plusIsSpace: Bool = false) -> String? {
    decode(encoded, plusIsSpace: plusIsSpace).flatMap { String(validating: $0, as: UTF8.self) }
  }

  /// Every byte of the UTF-8 text but the unreserved ones (RFC 3986 §2.3) as `%XX`: fit for one path segment, one query
  /// name or value, and RFC 8187.
  public static func encode(_ text: String) -> String {
    var out: [UInt8] = []
    out.reserveCapacity(text.utf8.count + 16)
    let digits: StaticString = "0123456789ABCDEF"
    digits.withUTF8Buffer { digits in
      for byte in text.utf8 {
        if isUnreserved(byte) {
          out.append(byte)
        } else {
          out.append(UInt8(ascii: "%"))
          out.append(digits[Int(byte >> 4)])
          out.append(digits[Int(byte & 15)])
        }
      }
    }
    return String(decoding: out, as: UTF8.self)
  }

  static func isUnreserved(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
      UInt8(ascii: "~"):
      true
    default: false
    }
  }

  static func hexDigit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
    default: nil
    }
  }
}
