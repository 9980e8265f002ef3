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
    case extensions(value: Int)
    case sizeLF(value: Int)
    case data(left: Int)
    case dataCR
    case dataLF
    case trailerStart
    case trailer
    case trailerLF
    case endLF
    case end
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
    case .extensions(let value):
      lineBytes += 1
      extensionBytes += 1
      guard lineBytes <= Self.lineBytesMax, extensionBytes <= Self.extensionBytesMax else {
        throw bad("chunk extensions are too long")
      }
      if byte == 0x0D {
        state = .sizeLF(value: value)
      } else if !FieldGrammar.isFieldContent(byte) {
        throw bad("a chunk extension holds a control character")
      }
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
    case .trailerStart, .trailer, .trailerLF, .endLF: try advanceTrailer(byte)
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
    case UInt8(ascii: ";"): state = .extensions(value: value)
    default: throw bad("a chunk size is malformed")
    }
  }

  private mutating func advanceTrailer(_ byte: UInt8) throws(HTTPParseError) {
    trailerBytes += 1
    guard trailerBytes <= Self.trailerBytesMax else { throw bad("trailers are too long") }
    switch state {
    case .trailerStart where byte == 0x0D: state = .endLF
    case .trailerStart where FieldGrammar.isToken(byte): state = .trailer
    case .trailer where byte == 0x0D: state = .trailerLF
    case .trailer where FieldGrammar.isFieldContent(byte): break
    case .trailerLF where byte == 0x0A: state = .trailerStart
    case .endLF where byte == 0x0A: state = .end
    default: throw bad("a trailer is malformed")
    }
  }

  private func bad(_ reason: String) -> HTTPParseError { HTTPParseError(.badRequest, reason) }
}
