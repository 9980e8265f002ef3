internal import Core
internal import HTTP

/// Everything of an answer but its body.
struct ResponseOutline {
  let status: HTTPStatus
  let headers: HeaderFields
  let framing: OutgoingFraming
  let keepsConnection: Bool
  let requestID: String?
  /// HTTP/1.0, which has to be told that the connection is kept.
  let isOldClient: Bool

  func write(to head: inout ResponseHeadWriter, at time: Timestamp) {
    head.begin(status, at: time)
    for (name, value) in headers.fields where !isFraming(name) { head.field(name, value) }
    switch framing {
    case .none: break
    case .length(let length): head.field("Content-Length", length)
    case .chunked: head.line("Transfer-Encoding: chunked\r\n")
    case .close: break
    }
    if !keepsConnection {
      head.line("Connection: close\r\n")
    } else if isOldClient {
      head.line("Connection: keep-alive\r\n")
    }
    if let requestID { head.field("X-Request-Id" as StaticString, requestID) }
    head.end()
  }

  /// Fields that are the server's: a handler's would contradict the framing.
  private func isFraming(_ name: String) -> Bool {
    switch name.utf8.count {
    case 4: name.equalsIgnoringASCIICase("date")
    case 10: name.equalsIgnoringASCIICase("connection")
    case 14: name.equalsIgnoringASCIICase("content-length")
    case 17: name.equalsIgnoringASCIICase("transfer-encoding")
    default: false
    }
  }
}
