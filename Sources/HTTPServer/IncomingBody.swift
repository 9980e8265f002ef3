internal import HTTP

/// How far a request's body has come.
struct IncomingBody {
  enum Framing {
    case length(left: Int)
    case chunked(ChunkedDecoder)
    case over
  }

  var framing = Framing.over
  /// The client waits for a 100 before it sends the body.
  var awaitsContinue = false
  /// Reading it failed: the connection must end.
  var isBroken = false
  /// No request has begun yet.
  let isBefore: Bool
  /// Bytes since the last wait, for the pace.
  var sinceLastWait = 0
  /// Bytes handed on of a body of known length.
  var position = 0

  init() { isBefore = true }

  init(_ head: RequestHead) {
    isBefore = false
    if head.isChunked {
      framing = .chunked(ChunkedDecoder())
    } else if let length = head.contentLength, length > 0 {
      framing = .length(left: length)
    }
    if case .over = framing { return }
    awaitsContinue = head.expectsContinue && head.minorVersion > 0
  }

  var isOver: Bool {
    if case .over = framing { true } else { false }
  }

  /// Whether what is left can be read away so that the connection may be kept.
  func canBeDrained(within limit: Int) -> Bool {
    switch framing {
    case _ where isBroken: false
    case .over: true
    case .length(let left): left <= limit && !awaitsContinue
    case .chunked: false
    }
  }
}
