/// The value of `Host` and the authority of an absolute target: `uri-host [ ":" port ]` (RFC 9110 §7.2,
/// RFC 3986 §3.2.2), narrowed to what names a server: letters, digits, `-._~`, escapes, or an IP literal in brackets;
/// never empty, no user.
enum HostGrammar {
  static func isAuthority(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Bool {
    guard let first = range.first else { return false }
    let end = bytes[first] == UInt8(ascii: "[") ? literalEnd(bytes, range) : nameEnd(bytes, range)
    guard let end else { return false }
    if end == range.upperBound { return true }
    // `*DIGIT`: an empty port is the scheme's own.
    guard bytes[end] == UInt8(ascii: ":"), range.upperBound - end <= 6 else { return false }
    return (end + 1..<range.upperBound).allSatisfy { bytes[$0] &- 0x30 < 10 }
  }

  private static func nameEnd(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Int? {
    var index = range.lowerBound
    while index < range.upperBound, bytes[index] != UInt8(ascii: ":") {
      switch bytes[index] {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
        UInt8(ascii: "~"):
        index += 1
      case UInt8(ascii: "%"):
        guard index + 2 < range.upperBound, PercentEncoding.hexDigit(bytes[index + 1]) != nil,
          PercentEncoding.hexDigit(bytes[index + 2]) != nil
        else { return nil }
        index += 3
      default: return nil
      }
    }
    return index > range.lowerBound ? index : nil
  }

  /// `[…]` holding an address of IPv6.
  private static func literalEnd(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Int? {
    var index = range.lowerBound + 1
    while index < range.upperBound, bytes[index] != UInt8(ascii: "]") {
      guard
        PercentEncoding.hexDigit(bytes[index]) != nil || bytes[index] == UInt8(ascii: ":")
          || bytes[index] == UInt8(ascii: ".")
      else { return nil }
      index += 1
    }
    guard index < range.upperBound, index > range.lowerBound + 2 else { return nil }
    return index + 1
  }
}
