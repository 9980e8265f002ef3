/// Takes the chunked transfer coding apart (RFC 9112 §7.1), without copying: the caller feeds what it has and is told
/// which part of it is body. Chunk extensions and trailers are checked, bounded and dropped.
public struct ChunkedDecoder: Sendable {
  /// What a call found.
  public struct Step: Sendable {
    /// How many bytes of the input are used up.
    public let consumed: Int
    /// Which of the bytes used up are body; empty when none.
    public let data: Range<Int>
    /// The body, trailers included, is over.
    public let isEnd: Bool
  }

  /// A line of size and extensions.
  public static let lineBytesMax = 256
  /// All extensions of one body together.
  public static let extensionBytesMax = 8_192
  /// All trailers together.
  public static let trailerBytesMax = 8_192

  private enum State {
    case size(digits: Int, value: Int)
    case extensions(Extension, value: Int)
    case sizeLF(value: Int)
    case data(left: Int)
    case dataCR
    case dataLF
    case trailerStart
    case trailerName
    case trailerValue
    case trailerLF
    case endLF
    case end
  }

  /// Where in `*( BWS ";" BWS name [ BWS "=" BWS value ] )` the decoder stands (RFC 9112 §7.1.1).
  fileprivate enum Extension {
    /// Blanks after the size, a name or a value: `;` must follow, after a name also `=`.
    case blanks(afterName: Bool)
    /// After `;`.
    case beforeName
    case name
    /// After `=`.
    case beforeValue
    case value
    case quoted
    /// After a backslash in quotes.
    case escaped
    /// After the closing quote.
    case afterQuotes
  }

  private var state = State.size(digits: 0, value: 0)
  private var lineBytes = 0
  private var extensionBytes = 0
  private var trailerBytes = 0

  public init() {}

  public var isEnd: Bool {
    if case .end = state { true } else { false }
  }

  /// Looks at `input` until a stretch of body, the end of the body or the end of the input.
  public mutating func decode(_ input: Span<UInt8>) throws(HTTPParseError) -> Step {
    var index = 0
    while index < input.count {
      if case .data(let left) = state {
        let count = min(left, input.count - index)
        state = count == left ? .dataCR : .data(left: left - count)
        return Step(consumed: index + count, data: index..<(index + count), isEnd: false)
      }
      if case .end = state { break }
      try advance(input[index])
      index += 1
    }
    return Step(consumed: index, data: 0..<0, isEnd: isEnd)
  }

  private mutating func advance(_ byte: UInt8) throws(HTTPParseError) {
    switch state {
    case .size(let digits, let value): try advanceSize(byte, digits: digits, value: value)
    case .extensions(let place, let value): try advanceExtension(byte, place, value: value)
    case .sizeLF(let value):
      guard byte == 0x0A else { throw bad("a chunk size does not end with CR LF") }
      lineBytes = 0
      state = value == 0 ? .trailerStart : .data(left: value)
    case .dataCR:
      guard byte == 0x0D else { throw bad("a chunk is longer than it said") }
      state = .dataLF
    case .dataLF:
      guard byte == 0x0A else { throw bad("a chunk does not end with CR LF") }
      state = .size(digits: 0, value: 0)
    case .trailerStart, .trailerName, .trailerValue, .trailerLF, .endLF: try advanceTrailer(byte)
    case .data, .end: break
    }
  }

  private mutating func advanceSize(_ byte: UInt8, digits: Int, value: Int) throws(HTTPParseError) {
    if let digit = PercentEncoding.hexDigit(byte) {
      guard digits < 15 else { throw bad("a chunk size has too many digits") }
      state = .size(digits: digits + 1, value: value << 4 | Int(digit))
      return
    }
    guard digits > 0 else { throw bad("a chunk has no size") }
    switch byte {
    case 0x0D: state = .sizeLF(value: value)
    case UInt8(ascii: ";"), 0x20, 0x09: try advanceExtension(byte, .blanks(afterName: false), value: value)
    default: throw bad("a chunk size is malformed")
    }
  }

  private mutating func advanceExtension(_ byte: UInt8, _ place: Extension, value: Int) throws(HTTPParseError) {
    lineBytes += 1
    extensionBytes += 1
    guard lineBytes <= Self.lineBytesMax, extensionBytes <= Self.extensionBytesMax else {
      throw bad("chunk extensions are too long")
    }
    if byte == 0x0D, place.mayEnd {
      state = .sizeLF(value: value)
    } else if let next = place.next(byte) {
      state = .extensions(next, value: value)
    } else {
      throw bad("a chunk extension is malformed")
    }
  }

  private mutating func advanceTrailer(_ byte: UInt8) throws(HTTPParseError) {
    trailerBytes += 1
    guard trailerBytes <= Self.trailerBytesMax else { throw bad("trailers are too long") }
    switch state {
    case .trailerStart where byte == 0x0D: state = .endLF
    case .trailerStart where FieldGrammar.isToken(byte): state = .trailerName
    case .trailerName where byte == UInt8(ascii: ":"): state = .trailerValue
    case .trailerName where FieldGrammar.isToken(byte): break
    case .trailerValue where byte == 0x0D: state = .trailerLF
    case .trailerValue where FieldGrammar.isFieldContent(byte): break
    case .trailerLF where byte == 0x0A: state = .trailerStart
    case .endLF where byte == 0x0A: state = .end
    default: throw bad("a trailer is malformed")
    }
  }

  private func bad(_ reason: String) -> HTTPParseError { HTTPParseError(.badRequest, reason) }
}

extension ChunkedDecoder.Extension {
  /// Whether the line may end here.
  fileprivate var mayEnd: Bool {
    switch self {
    case .name, .value, .afterQuotes: true
    default: false
    }
  }

  /// Where one more byte leads; nil where it violates the grammar.
  fileprivate func next(_ byte: UInt8) -> Self? {
    let isBlank = byte == 0x20 || byte == 0x09
    let isToken = FieldGrammar.isToken(byte)
    switch (self, byte) {
    case (.quoted, UInt8(ascii: "\"")): return .afterQuotes
    case (.quoted, UInt8(ascii: "\\")): return .escaped
    case (.quoted, _), (.escaped, _): return FieldGrammar.isFieldContent(byte) ? .quoted : nil
    case (.blanks, UInt8(ascii: ";")), (.name, UInt8(ascii: ";")), (.value, UInt8(ascii: ";")),
      (.afterQuotes, UInt8(ascii: ";")):
      return .beforeName
    case (.blanks(afterName: true), UInt8(ascii: "=")), (.name, UInt8(ascii: "=")): return .beforeValue
    case (.beforeValue, UInt8(ascii: "\"")): return .quoted
    case (.name, _) where isBlank: return .blanks(afterName: true)
    case (.value, _) where isBlank, (.afterQuotes, _) where isBlank: return .blanks(afterName: false)
    case (.blanks, _) where isBlank, (.beforeName, _) where isBlank, (.beforeValue, _) where isBlank: return self
    case (.beforeName, _) where isToken, (.name, _) where isToken: return .name
    case (.beforeValue, _) where isToken, (.value, _) where isToken: return .value
    default: return nil
    }
  }
}
