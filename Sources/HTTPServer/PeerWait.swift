/// What a connection waits for: told when the wait takes too long, and counted.
enum PeerWait: String {
  case handshake
  case head
  case idle
  case body
  case answer
  /// The rest of what nobody reads.
  case rest

  var text: StaticString {
    switch self {
    case .handshake: "the TLS handshake"
    case .head: "the request's head"
    case .idle: "a request"
    case .body: "the request's body"
    case .answer: "the client to take the answer"
    case .rest: "the rest of a body nobody reads"
    }
  }
}
