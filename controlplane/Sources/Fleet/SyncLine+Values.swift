internal import Core

/// Times, tags and metadata.
extension LineScan {
  /// `2026-11-20T14:30:12Z`, perhaps with 3 or 6 digits of a fraction, and the closing quote. Days up to 28 only are
  /// taken without the calendar.
  mutating func time(in text: borrowing Span<UInt8>) -> Bool {
    guard let year = pair(in: text), pair(in: text) != nil, year >= 19, skip("-", in: text),
      let month = pair(in: text), (1...12).contains(month), skip("-", in: text),
      let day = pair(in: text), day >= 1, day <= Self.days[month - 1], skip("T", in: text),
      let hour = pair(in: text), hour < 24, skip(":", in: text), let minute = pair(in: text), minute < 60,
      skip(":", in: text), let second = pair(in: text), second < 60
    else { return false }
    if skip(".", in: text) {
      guard pair(in: text) != nil, digit(in: text) else { return false }
      if !skip("Z\"", in: text) {
        guard pair(in: text) != nil, digit(in: text) else { return false }
        return skip("Z\"", in: text)
      }
      return true
    }
    return skip("Z\"", in: text)
  }

  /// The last day of each month that is there every year.
  private static let days = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

  private mutating func pair(in text: borrowing Span<UInt8>) -> Int? {
    guard at + 2 <= text.count, text[at] &- 0x30 < 10, text[at + 1] &- 0x30 < 10 else { return nil }
    defer { at += 2 }
    return Int(text[at] &- 0x30) * 10 + Int(text[at + 1] &- 0x30)
  }

  private mutating func digit(in text: borrowing Span<UInt8>) -> Bool {
    guard at < text.count, text[at] &- 0x30 < 10 else { return false }
    at += 1
    return true
  }

  /// A few tags, each different from the others.
  mutating func tags(in text: borrowing Span<UInt8>) -> Bool {
    if skip("]", in: text) { return true }
    var seen: [Range<Int>] = []
    while skip("\"", in: text) {
      let start = at
      guard seen.count < Self.tagsMax, words(max: 100, isName: false, in: text) else { return false }
      let tag = start..<(at - 1)
      for other in seen where Self.isEqual(tag, other, in: text) { return false }
      seen.append(tag)
      if skip("]", in: text) { return true }
      guard skip(",", in: text) else { return false }
    }
    return false
  }

  private static let tagsMax = 8

  private static func isEqual(_ a: Range<Int>, _ b: Range<Int>, in text: borrowing Span<UInt8>) -> Bool {
    guard a.count == b.count else { return false }
    for offset in 0..<a.count where text[a.lowerBound + offset] != text[b.lowerBound + offset] { return false }
    return true
  }

  /// A metadata object of one level: plain names, and strings or whole numbers.
  mutating func flatObject(in text: borrowing Span<UInt8>) -> Bool {
    guard skip("{", in: text) else { return false }
    while skip("\"", in: text) {
      guard words(max: 200, isName: false, in: text), skip(":", in: text) else { return false }
      if skip("\"", in: text) {
        guard words(max: 4096, isName: false, mayBeEmpty: true, in: text) else { return false }
      } else {
        _ = skip("-", in: text)
        guard number(in: text) != nil else { return false }
      }
      if skip("}", in: text) { return true }
      guard skip(",", in: text) else { return false }
    }
    return false
  }
}
