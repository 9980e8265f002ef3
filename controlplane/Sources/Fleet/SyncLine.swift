internal import Catalogue
internal import Core

/// One line of a feed or listing, as far as a quick look tells. A look costs about a microsecond; decoding and
/// validating everything costs thirty, and nearly every line is as our appliances write it.
enum SyncLine {
  /// Nothing in it needs a closer look: well-formed, every member known, of the right type and within its bounds.
  case plain(SyncRow)
  /// To be decoded and validated: it ends the page, or something about it is unusual.
  case unusual
}

extension SyncLine {
  /// `{"op":"put","lsn":…,"record":{…}}` with a record as the contract has it. What this does not recognise is
  /// `.unusual`, never refused: the decoder decides.
  init(_ line: ArraySlice<UInt8>) {
    var scan = LineScan(at: 0)
    let text = line.span
    guard scan.skip(#"{"op":"put","lsn":"#, in: text), let lsn = scan.number(in: text),
      scan.skip(#","record":"#, in: text)
    else {
      self = .unusual
      return
    }
    let start = scan.at
    guard let id = scan.record(in: text), scan.skip("}", in: text), scan.at == text.count else {
      self = .unusual
      return
    }
    self = .plain(
      SyncRow(put: line[(line.startIndex + start)..<(line.endIndex - 1)], of: id, lsn: lsn, isPlain: true))
  }
}

/// A place in a line and the steps over it. Every step says false or nil for what it does not know.
struct LineScan {
  var at: Int

  init(at: Int) { self.at = at }

  /// The members of a record in the order our appliances write them (`JSONWriter.members(of:)`).
  mutating func record(in text: borrowing Span<UInt8>) -> FileID? {
    guard skip(#"{"file_id":""#, in: text), let id = identity(in: text),
      skip(#","original_filename":""#, in: text), words(max: 255, isName: true, in: text),
      skip(#","content_type":""#, in: text), contentType(in: text),
      skip(#","size":"#, in: text), number(in: text) != nil,
      skip(#","checksum":""#, in: text), digits(64, in: text), skip("\"", in: text),
      skip(#","uploaded_by":""#, in: text), words(max: 200, isName: false, in: text),
      skip(#","uploaded_at":""#, in: text), time(in: text),
      skip(#","status":""#, in: text), word(["active", "expired", "deleted"], in: text),
      skip(#","retention_policy":""#, in: text), word(["temporary", "permanent"], in: text)
    else { return nil }
    if skip(#","description":""#, in: text) {
      guard words(max: 1000, isName: false, mayBeEmpty: true, in: text) else { return nil }
    }
    guard skip(#","tags":["#, in: text), tags(in: text),
      skip(#","ttl_days":"#, in: text), skip("null", in: text) || isBelow(366, in: text),
      skip(#","expires_at":"#, in: text), skip("null", in: text) || (skip("\"", in: text) && time(in: text))
    else { return nil }
    if skip(#","metadata":"#, in: text) {
      guard skip("{}", in: text) || flatObject(in: text) else { return nil }
    }
    return skip("}", in: text) ? id : nil
  }

  mutating func skip(_ expected: StaticString, in text: borrowing Span<UInt8>) -> Bool {
    let count = expected.utf8CodeUnitCount
    guard at + count <= text.count else { return false }
    // A static string's bytes live as long as the program.
    let bytes = UnsafeBufferPointer(start: expected.utf8Start, count: count)
    for index in 0..<count where bytes[index] != text[at + index] { return false }
    at += count
    return true
  }

  /// Digits without a leading zero, below 10^18.
  mutating func number(in text: borrowing Span<UInt8>) -> Int64? {
    var value: Int64 = 0
    let start = at
    while at < text.count, text[at] &- 0x30 < 10, at - start < 18 {
      value = value * 10 + Int64(text[at] &- 0x30)
      at += 1
    }
    guard at > start, at - start == 1 || text[start] != 0x30 else { return nil }
    return value
  }

  private mutating func isBelow(_ bound: Int64, in text: borrowing Span<UInt8>) -> Bool {
    guard let value = number(in: text) else { return false }
    return value > 0 && value < bound
  }

  private mutating func identity(in text: borrowing Span<UInt8>) -> FileID? {
    guard at + 37 <= text.count, text[at + 36] == 0x22 else { return nil }
    var (high, low): (UInt64, UInt64) = (0, 0)
    for offset in 0..<36 {
      let byte = text[at + offset]
      if offset == 8 || offset == 13 || offset == 18 || offset == 23 {
        guard byte == 0x2D else { return nil }
        continue
      }
      guard let value = Self.nibble(byte) else { return nil }
      if offset < 18 { high = high << 4 | UInt64(value) } else { low = low << 4 | UInt64(value) }
    }
    at += 37
    return FileID(high: high, low: low)
  }

  private static func nibble(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte - 0x30
    case 0x61...0x66: byte - 0x57
    default: nil
    }
  }

  private mutating func digits(_ count: Int, in text: borrowing Span<UInt8>) -> Bool {
    guard at + count <= text.count else { return false }
    for offset in 0..<count where Self.nibble(text[at + offset]) == nil { return false }
    at += count
    return true
  }

  /// The rest of a string of letters that need no thought: printable ASCII without escapes, and the Russian alphabet.
  mutating func words(
    max: Int, isName: Bool, mayBeEmpty: Bool = false, in text: borrowing Span<UInt8>
  ) -> Bool {
    var count = 0
    while at < text.count {
      let byte = text[at]
      switch byte {
      case 0x22:
        at += 1
        return count <= max && (count > 0 || mayBeEmpty)
      case 0x2F where isName: return false
      case 0x2E where isName && count == 0: return false
      case 0x20...0x5B, 0x5D...0x7E: at += 1
      case 0xD0, 0xD1:
        guard at + 1 < text.count, Self.isRussian(byte, text[at + 1]) else { return false }
        at += 2
      default: return false
      }
      count += 1
    }
    return false
  }

  /// А–я, Ё and ё (U+0401, U+0410–U+044F, U+0451) in UTF-8.
  private static func isRussian(_ lead: UInt8, _ trail: UInt8) -> Bool {
    lead == 0xD0 ? trail == 0x81 || (0x90...0xBF).contains(trail) : (0x80...0x8F).contains(trail) || trail == 0x91
  }

  /// `type/subtype` of the plainest characters.
  private mutating func contentType(in text: borrowing Span<UInt8>) -> Bool {
    let start = at
    var slash: Int?
    while at < text.count, at - start <= 100 {
      switch text[at] {
      case 0x22:
        guard let slash, slash > start, slash < at - 1 else { return false }
        at += 1
        return true
      case 0x2F:
        guard slash == nil else { return false }
        slash = at
      case 0x61...0x7A, 0x41...0x5A, 0x30...0x39, 0x2B, 0x2D, 0x2E, 0x5F: break
      default: return false
      }
      at += 1
    }
    return false
  }

  private mutating func word(_ known: [StaticString], in text: borrowing Span<UInt8>) -> Bool {
    for word in known where skip(word, in: text) { return skip("\"", in: text) }
    return false
  }
}
