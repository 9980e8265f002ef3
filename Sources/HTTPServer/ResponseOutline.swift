internal import Core
public import HTTP

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
    if let shared = headers.shared { head.append(shared.text) }
    for (name, value) in headers.own where !Self.isFraming(name) { head.field(name, value) }
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
  static func isFraming(_ name: String) -> Bool {
    switch name.utf8.count {
    case 4: name.equalsIgnoringASCIICase("date")
    case 10: name.equalsIgnoringASCIICase("connection")
    case 14: name.equalsIgnoringASCIICase("content-length")
    case 17: name.equalsIgnoringASCIICase("transfer-encoding")
    default: false
    }
  }
}

extension HeaderFields {
  /// The same fields with their text made now: for what goes out with many answers.
  public func prepared() -> HeaderFields {
    var writer = ResponseHeadWriter()
    for (name, value) in fields where !ResponseOutline.isFraming(name) { writer.field(name, value) }
    return HeaderFields(shared: Shared(fields: fields, text: writer.bytes))
  }
}
