/// The grammar of a head over bounds-checked bytes. Allocates nothing but the field table.
struct HeadParser {
  let limits: HeadLimits
  var head = RequestHead.Content()
  /// Where the request target lies.
  var target = 0..<0
  /// What `Transfer-Encoding` asks for.
  private enum Coding {
    case chunked
    /// Codings that are spelled well, but that nobody here knows.
    case unknown
    case malformed
  }

  private var hostCount = 0
  private var contentTypes = 0
  private var authorizations = 0
  private var transferEncodings = 0
  private var coding = Coding.chunked

  init(limits: HeadLimits) { self.limits = limits }

  /// What was found, given away.
  consuming func content() -> RequestHead.Content { head }

  /// How many bytes the head takes; nil when it is not complete.
  mutating func parse(_ bytes: Span<UInt8>) throws(HTTPParseError) -> Int? {
    var index = 0
    // A blank line or two before the request are tolerated (RFC 9112 §2.2).
    while index < 4, index + 1 < bytes.count, bytes[index] == 0x0D, bytes[index + 1] == 0x0A { index += 2 }
    if index < bytes.count, bytes[index] == 0x0D, index < 4 {
      return index + 1 < bytes.count ? try bad("bare CR") : nil
    }
    guard var index = try parseRequestLine(bytes, from: index) else { return nil }
    head.fields.reserveCapacity(12)
    while true {
      guard index < bytes.count else { return nil }
      if bytes[index] == 0x0D {
        guard index + 1 < bytes.count else { return nil }
        guard bytes[index + 1] == 0x0A else { return try bad("a CR without LF") }
        index += 2
        break
      }
      guard let next = try parseField(bytes, from: index) else { return nil }
      index = next
    }
    try finish()
    return index
  }

  private func bad<T>(_ reason: String) throws(HTTPParseError) -> T { throw HTTPParseError(.badRequest, reason) }

  private mutating func parseRequestLine(_ bytes: Span<UInt8>, from start: Int) throws(HTTPParseError) -> Int? {
    var index = start
    while index < bytes.count, FieldGrammar.isToken(bytes[index]) {
      index += 1
      if index - start > 32 { throw HTTPParseError(.notImplemented, "the method is unknown") }
    }
    guard index < bytes.count else { return nil }
    guard index > start, bytes[index] == 0x20 else { return try bad("the request line does not begin with a method") }
    head.method = Self.method(bytes, start..<index)
    index += 1
    let targetStart = index
    while index < bytes.count, bytes[index] &- 0x21 < 0x5E { index += 1 }
    guard index - targetStart <= limits.targetBytesMax else {
      throw HTTPParseError(.uriTooLong, "the target is too long")
    }
    guard index < bytes.count else { return nil }
    guard index > targetStart, bytes[index] == 0x20 else { return try bad("the request target is not visible ASCII") }
    target = targetStart..<index
    index += 1
    guard try parseVersion(bytes, from: index) else { return nil }
    return index + 10
  }

  /// `HTTP/1.x` CR LF; false when incomplete.
  private mutating func parseVersion(_ bytes: Span<UInt8>, from start: Int) throws(HTTPParseError) -> Bool {
    let name: StaticString = "HTTP/"
    let count = min(bytes.count - start, 10)
    for offset in 0..<min(count, 5) where bytes[start + offset] != name.utf8Start[offset] {
      return try bad("the protocol is not HTTP/1")
    }
    if count > 5, bytes[start + 5] &- 0x30 >= 10 { return try bad("the version is malformed") }
    if count > 6, bytes[start + 6] != UInt8(ascii: ".") { return try bad("the version is malformed") }
    if count > 7 {
      guard bytes[start + 7] &- 0x30 < 10 else { return try bad("the version is malformed") }
      guard bytes[start + 5] == UInt8(ascii: "1") else {
        throw HTTPParseError(.versionNotSupported, "only HTTP/1.1 and HTTP/1.0 are spoken here")
      }
      head.minorVersion = bytes[start + 7] == UInt8(ascii: "0") ? 0 : 1
      head.keepAlive = head.minorVersion == 1
    }
    if count > 8, bytes[start + 8] != 0x0D { return try bad("the request line does not end with CR LF") }
    if count > 9, bytes[start + 9] != 0x0A { return try bad("the request line does not end with CR LF") }
    return count == 10
  }

  /// One field line; nil when incomplete.
  private mutating func parseField(_ bytes: Span<UInt8>, from start: Int) throws(HTTPParseError) -> Int? {
    var index = start
    let count = bytes.count
    while index < count, FieldGrammar.isToken(bytes[index]) { index += 1 }
    guard index < count else { return nil }
    guard bytes[index] == UInt8(ascii: ":"), index > start else {
      return try bad("a field's name is malformed or folded")
    }
    let name = start..<index
    index += 1
    while index < count, bytes[index] == 0x20 || bytes[index] == 0x09 { index += 1 }
    let valueStart = index
    // Eight bytes at a time up to the first control character or DEL.
    while index &+ 8 <= count {
      let word = bytes.bytes.unsafeLoadUnaligned(fromByteOffset: index, as: UInt64.self)  // index + 8 <= count
      let flipped = word ^ 0x7F7F_7F7F_7F7F_7F7F
      let control = (word &- 0x2020_2020_2020_2020) & ~word
      let delete = (flipped &- 0x0101_0101_0101_0101) & ~flipped
      if (control | delete) & 0x8080_8080_8080_8080 != 0 { break }
      index &+= 8
    }
    while index < count, FieldGrammar.isFieldContent(bytes[index]) { index += 1 }
    guard index < count else { return nil }
    guard bytes[index] == 0x0D else { return try bad("a field's value holds a control character or a bare LF") }
    guard index + 1 < count else { return nil }
    guard bytes[index + 1] == 0x0A else { return try bad("a CR without LF") }
    let next = index + 2
    while index > valueStart, bytes[index - 1] == 0x20 || bytes[index - 1] == 0x09 { index -= 1 }
    guard head.fields.count < limits.fieldsMax else {
      throw HTTPParseError(.headerFieldsTooLarge, "more than \(limits.fieldsMax) fields")
    }
    var field = RequestHead.Field()
    field.nameStart = UInt32(name.lowerBound)
    field.nameCount = UInt32(name.count)
    field.valueStart = UInt32(valueStart)
    field.valueCount = UInt32(index - valueStart)
    head.fields.append(field)
    try interpret(bytes, name, valueStart..<index)
    return next
  }

  /// What framing and connection handling need of a field.
  private mutating func interpret(
    _ bytes: Span<UInt8>, _ name: Range<Int>, _ value: Range<Int>
  ) throws(HTTPParseError) {
    if name.count > 3, bytes[name.lowerBound] | 0x20 == UInt8(ascii: "i"), Self.equals(bytes, name.prefix(3), "if-") {
      head.hasConditions = true
    }
    switch name.count {
    case 4 where Self.equals(bytes, name, "host"): try interpretHost(bytes, value)
    case 6 where Self.equals(bytes, name, "expect"):
      guard Self.equals(bytes, value, "100-continue") else {
        throw HTTPParseError(.expectationFailed, "only 100-continue may be expected")
      }
      head.expectsContinue = true
    case 10 where Self.equals(bytes, name, "connection"): interpretConnection(bytes, value)
    // Two of them are read differently by those who take the first and those who take the last (RFC 9110 §5.3).
    case 12 where Self.equals(bytes, name, "content-type"):
      contentTypes += 1
      if contentTypes > 1 { return try bad("more than one Content-Type") }
    case 13 where Self.equals(bytes, name, "authorization"):
      authorizations += 1
      head.authorization = value
      if authorizations > 1 { return try bad("more than one Authorization") }
    case 14 where Self.equals(bytes, name, "content-length"): try interpretLength(bytes, value)
    case 17 where Self.equals(bytes, name, "transfer-encoding"):
      transferEncodings += 1
      coding = Self.coding(bytes, value)
    default: break
    }
  }

  private mutating func interpretHost(_ bytes: Span<UInt8>, _ value: Range<Int>) throws(HTTPParseError) {
    hostCount += 1
    guard hostCount == 1 else { return try bad("more than one Host") }
    guard HostGrammar.isAuthority(bytes, value) else { return try bad("Host is not a host and port") }
    head.host = value
  }

  private mutating func interpretLength(_ bytes: Span<UInt8>, _ value: Range<Int>) throws(HTTPParseError) {
    guard head.contentLength == nil else { return try bad("more than one Content-Length") }
    guard (1...18).contains(value.count) else { return try bad("Content-Length is not a number") }
    // RFC 9110 allows zeros before the number; a reader that takes them for octal would see another length.
    guard value.count == 1 || bytes[value.lowerBound] != UInt8(ascii: "0") else {
      return try bad("Content-Length begins with a zero")
    }
    var length = 0
    for index in value {
      let digit = bytes[index] &- 0x30
      guard digit < 10 else { return try bad("Content-Length is not a number") }
      length = length * 10 + Int(digit)
    }
    head.contentLength = length
  }

  /// `close` and `keep-alive` among the options; `close` wins.
  private mutating func interpretConnection(_ bytes: Span<UInt8>, _ value: Range<Int>) {
    var start = value.lowerBound
    var closes = false
    while start < value.upperBound {
      var end = start
      while end < value.upperBound, bytes[end] != UInt8(ascii: ",") { end += 1 }
      var low = start
      var high = end
      while low < high, bytes[low] == 0x20 || bytes[low] == 0x09 { low += 1 }
      while high > low, bytes[high - 1] == 0x20 || bytes[high - 1] == 0x09 { high -= 1 }
      if Self.equals(bytes, low..<high, "close") { closes = true }
      if Self.equals(bytes, low..<high, "keep-alive"), head.minorVersion == 0 { head.keepAlive = true }
      start = end + 1
    }
    if closes { head.keepAlive = false }
  }

  private mutating func finish() throws(HTTPParseError) {
    if head.minorVersion == 1, hostCount != 1 { return try bad("HTTP/1.1 needs a Host") }
    guard transferEncodings > 0 else { return }
    if head.contentLength != nil { return try bad("both Content-Length and Transfer-Encoding") }
    if transferEncodings > 1 { return try bad("more than one Transfer-Encoding") }
    if head.minorVersion == 0 { return try bad("HTTP/1.0 has no Transfer-Encoding") }
    switch coding {
    case .chunked: head.isChunked = true
    case .unknown: throw HTTPParseError(.notImplemented, "the only transfer coding known is chunked")
    case .malformed: return try bad("the transfer coding is not exactly chunked")
    }
  }

  /// `chunked` alone is taken. Other codings before it, or instead of it, are told apart from what only looks like it:
  /// an empty element, a parameter, a coding after it.
  private static func coding(_ bytes: Span<UInt8>, _ value: Range<Int>) -> Coding {
    if equals(bytes, value, "chunked") { return .chunked }
    var start = value.lowerBound
    while true {
      var end = start
      while end < value.upperBound, FieldGrammar.isToken(bytes[end]) { end += 1 }
      if end == start { return .malformed }
      let isLast = end == value.upperBound
      if equals(bytes, start..<end, "chunked") { return isLast ? .unknown : .malformed }
      if mentions(bytes, start..<end, "chunked") { return .malformed }
      if isLast { return .unknown }
      while end < value.upperBound, bytes[end] == 0x20 || bytes[end] == 0x09 { end += 1 }
      guard end < value.upperBound, bytes[end] == UInt8(ascii: ",") else { return .malformed }
      start = end + 1
      while start < value.upperBound, bytes[start] == 0x20 || bytes[start] == 0x09 { start += 1 }
    }
  }

  private static func method(_ bytes: Span<UInt8>, _ range: Range<Int>) -> HTTPMethod {
    func has(_ name: StaticString) -> Bool {
      guard range.count == name.utf8CodeUnitCount else { return false }
      for offset in 0..<range.count where bytes[range.lowerBound + offset] != name.utf8Start[offset] { return false }
      return true
    }
    if has("GET") { return .get }
    if has("POST") { return .post }
    if has("HEAD") { return .head }
    if has("PUT") { return .put }
    if has("PATCH") { return .patch }
    if has("DELETE") { return .delete }
    if has("OPTIONS") { return .options }
    if has("TRACE") { return .trace }
    if has("CONNECT") { return .connect }
    return has("QUERY") ? .query : .other
  }

  /// Ignoring case; `text` is lower-case letters, digits and hyphens.
  private static func equals(_ bytes: Span<UInt8>, _ range: Range<Int>, _ text: StaticString) -> Bool {
    guard range.count == text.utf8CodeUnitCount else { return false }
    for offset in 0..<range.count {
      let byte = bytes[range.lowerBound + offset]
      let isUpper = byte &- 0x41 < 26
      if (isUpper ? byte | 0x20 : byte) != text.utf8Start[offset] { return false }
    }
    return true
  }

  private static func mentions(_ bytes: Span<UInt8>, _ range: Range<Int>, _ text: StaticString) -> Bool {
    let count = text.utf8CodeUnitCount
    guard range.count >= count else { return false }
    return (range.lowerBound...(range.upperBound - count)).contains { equals(bytes, $0..<($0 + count), text) }
  }
}
