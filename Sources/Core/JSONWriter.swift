/// Writes JSON (RFC 8259) straight into bytes: for listings, logs and wherever Codable would cost too much.
/// The caller keeps the grammar: `key` before each member's value; commas are put in by the writer.
public struct JSONWriter: Sendable {
  public private(set) var bytes: [UInt8] = []
  private var needsComma = false

  public init(reserving capacity: Int = 256) { bytes.reserveCapacity(capacity) }

  /// One whole document, built in a closure.
  public static func document(reserving capacity: Int = 256, _ build: (inout JSONWriter) throws -> Void) rethrows
    -> [UInt8]
  {
    var writer = JSONWriter(reserving: capacity)
    try build(&writer)
    return writer.bytes
  }

  public mutating func object(_ members: (inout JSONWriter) throws -> Void) rethrows {
    separate()
    bytes.append(UInt8(ascii: "{"))
    needsComma = false
    try members(&self)
    bytes.append(UInt8(ascii: "}"))
    needsComma = true
  }

  public mutating func array(_ elements: (inout JSONWriter) throws -> Void) rethrows {
    separate()
    bytes.append(UInt8(ascii: "["))
    needsComma = false
    try elements(&self)
    bytes.append(UInt8(ascii: "]"))
    needsComma = true
  }

  public mutating func key(_ name: StaticString) {
    separate()
    bytes.append(UInt8(ascii: "\""))
    name.withUTF8Buffer { bytes.append(contentsOf: $0) }
    bytes.append(UInt8(ascii: "\""))
    bytes.append(UInt8(ascii: ":"))
    needsComma = false
  }

  public mutating func key(_ name: String) {
    string(name)
    bytes.append(UInt8(ascii: ":"))
    needsComma = false
  }

  public mutating func string(_ value: some StringProtocol) {
    separate()
    bytes.append(UInt8(ascii: "\""))
    // Once for a string, not once for a byte: callers of other modules come here through a protocol.
    let whole: Void? = value.utf8.withContiguousStorageIfAvailable { append($0) }
    if whole == nil { for byte in value.utf8 { appendEscaped(byte) } }
    bytes.append(UInt8(ascii: "\""))
    needsComma = true
  }

  public mutating func integer(_ value: some BinaryInteger) {
    separate()
    if let plain = Int(exactly: value), plain >= 0 {
      bytes.appendDecimal(plain)
    } else {
      bytes.append(contentsOf: String(value).utf8)
    }
    needsComma = true
  }

  /// A finite number as Swift prints it; JSON has no infinities or NaN: they become null.
  public mutating func number(_ value: Double) {
    guard value.isFinite else { return null() }
    separate()
    bytes.append(contentsOf: value.description.utf8)
    needsComma = true
  }

  public mutating func bool(_ value: Bool) { literal(value ? "true" : "false") }

  public mutating func null() { literal("null") }

  /// A value that is JSON already (a stored record).
  public mutating func raw(_ json: some Sequence<UInt8>) {
    separate()
    let whole: Void? = json.withContiguousStorageIfAvailable { bytes.append(contentsOf: $0) }
    if whole == nil { bytes.append(contentsOf: json) }
    needsComma = true
  }

  // Members in one call.
  public mutating func member(_ name: StaticString, _ value: some StringProtocol) {
    key(name)
    string(value)
  }
  public mutating func member(_ name: StaticString, _ value: some BinaryInteger) {
    key(name)
    integer(value)
  }
  public mutating func member(_ name: StaticString, _ value: Bool) {
    key(name)
    bool(value)
  }
  public mutating func member(_ name: StaticString, _ value: Timestamp) {
    key(name)
    string(value.description)
  }
  public mutating func member(_ name: StaticString, _ value: Timestamp?) {
    key(name)
    if let value { string(value.description) } else { null() }
  }

  private mutating func literal(_ text: StaticString) {
    separate()
    text.withUTF8Buffer { bytes.append(contentsOf: $0) }
    needsComma = true
  }

  private mutating func separate() {
    if needsComma { bytes.append(UInt8(ascii: ",")) }
  }

  /// Runs without anything to escape go in at once.
  private mutating func append(_ text: UnsafeBufferPointer<UInt8>) {
    var start = 0
    for place in text.indices where Self.needsEscape(text[place]) {
      bytes.append(contentsOf: text[start..<place])
      appendEscaped(text[place])
      start = place + 1
    }
    bytes.append(contentsOf: text[start...])
  }

  private static func needsEscape(_ byte: UInt8) -> Bool {
    byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
  }

  private mutating func appendEscaped(_ byte: UInt8) {
    switch byte {
    case UInt8(ascii: "\""): bytes.append(contentsOf: "\\\"".utf8)
    case UInt8(ascii: "\\"): bytes.append(contentsOf: "\\\\".utf8)
    case 0x0A: bytes.append(contentsOf: "\\n".utf8)
    case 0x0D: bytes.append(contentsOf: "\\r".utf8)
    case 0x09: bytes.append(contentsOf: "\\t".utf8)
    case 0..<0x20:
      bytes.append(contentsOf: "\\u00".utf8)
      bytes.append(Hex.digits[Int(byte >> 4)])
      bytes.append(Hex.digits[Int(byte & 15)])
    default: bytes.append(byte)
    }
  }
}
