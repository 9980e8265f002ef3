internal import Core
internal import HTTP

extension FuzzTarget {
  /// The same body, end and verdict however the bytes are cut; and whatever is encoded is decoded again.
  public static var chunkedBody: FuzzTarget {
    FuzzTarget("chunked-body", inputBytesMax: 1024) { input throws(Violation) in
      let pieces = Pieces(of: input)
      let whole = ChunkedOutcome([input])
      try require(whole.body.count <= input.count, "more body than bytes")
      try require(whole.consumed <= input.count, "took more than there was")
      for way in pieces.ways(input) {
        let other = ChunkedOutcome(way)
        try require(other == whole, "in \(way.count) pieces \(other), at once \(whole)")
      }
      let coded = encode(pieces.ways(input)[1])
      for way in Pieces(of: coded).ways(coded + Array("GET".utf8)) {
        let decoded = ChunkedOutcome(way)
        try require(decoded.body == input && decoded.isEnd && !decoded.isRefused, "what was encoded is not decoded")
        try require(decoded.consumed == coded.count, "the end was missed: \(decoded.consumed) of \(coded.count)")
      }
    }
  }

  /// The chunks with what the grammar allows between them.
  private static func encode(_ chunks: [[UInt8]]) -> [UInt8] {
    var out: [UInt8] = []
    for (index, chunk) in chunks.enumerated() {
      let size = String(chunk.count, radix: 16, uppercase: index % 2 == 0)
      out += Array((index % 5 == 3 ? "00\(size) ; a = \"b\\\"\";c\r\n" : "\(size)\r\n").utf8)
      out += chunk + [0x0D, 0x0A]
    }
    return out + Array((chunks.count % 2 == 0 ? "0\r\n\r\n" : "000;x\r\nX-Sum: 1\r\n\r\n").utf8)
  }
}

/// What decoding came to.
private struct ChunkedOutcome: Equatable {
  var body: [UInt8] = []
  var consumed = 0
  var isEnd = false
  var isRefused = false

  init(_ pieces: [[UInt8]]) {
    var decoder = ChunkedDecoder()
    do throws(HTTPParseError) {
      for piece in pieces {
        var start = 0
        while start < piece.count, !decoder.isEnd {
          let step = try decoder.decode(piece.span.extracting(start...))
          body += piece[(start + step.data.lowerBound)..<(start + step.data.upperBound)]
          // A step that takes nothing would never come to an end.
          precondition(step.consumed > 0, "no progress")
          start += step.consumed
          consumed += step.consumed
        }
      }
      isEnd = decoder.isEnd
    } catch {
      isRefused = true
      // How far a step had come when it failed depends on where it began.
      consumed = 0
    }
  }
}
