public import Core
public import HTTP

/// An answer. The server adds framing, `Date`, the request id and `Connection`, and leaves the body out for HEAD.
public struct Response: Sendable {
  public var status: HTTPStatus
  public var headers: HeaderFields
  public var body: ResponseBody

  public init(_ status: HTTPStatus, headers: HeaderFields = [:], body: ResponseBody = .empty) {
    self.status = status
    self.headers = headers
    self.body = body
  }

  public static func empty(_ status: HTTPStatus, headers: HeaderFields = [:]) -> Response {
    Response(status, headers: headers)
  }

  public static func json(_ status: HTTPStatus, _ value: some Encodable) throws -> Response {
    .json(status, bytes: try JSON.encode(value))
  }

  /// From bytes that are JSON already.
  public static func json(_ status: HTTPStatus = .ok, bytes: [UInt8]) -> Response {
    Response(status, headers: ["Content-Type": "application/json"], body: .bytes(bytes))
  }

  /// Written by hand, without Codable.
  public static func json(_ status: HTTPStatus = .ok, _ build: (inout JSONWriter) -> Void) -> Response {
    .json(status, bytes: JSONWriter.document { $0.object(build) })
  }

  public static func text(_ status: HTTPStatus, _ text: String, type: String = "text/plain; charset=utf-8") -> Response
  {
    Response(status, headers: ["Content-Type": type], body: .bytes(Array(text.utf8)))
  }

  public static func html(_ status: HTTPStatus, bytes: [UInt8]) -> Response {
    Response(status, headers: ["Content-Type": "text/html; charset=utf-8"], body: .bytes(bytes))
  }

  /// The contract's error answer.
  public static func failure(_ error: APIError, requestID: String?) -> Response {
    var response = Response.json(error.status, bytes: error.body(requestID: requestID))
    for (name, value) in error.headers.fields { response.headers.append(name, value) }
    return response
  }
}

/// What an answer carries.
public enum ResponseBody: Sendable {
  case empty
  case bytes([UInt8])
  case file(FileSlice)
  /// Written while it goes out. Without a length it is sent in chunks. An error thrown in the middle cuts the
  /// connection, so that the client notices.
  case stream(length: Int?, @Sendable (any BodyWriter) async throws -> Void)

  /// Bytes, where they are known beforehand.
  public var length: Int? {
    switch self {
    case .empty: 0
    case .bytes(let bytes): bytes.count
    case .file(let slice): slice.count
    case .stream(let length, _): length
    }
  }
}

/// Takes a streamed body. Each call returns once the socket has taken the bytes: that is the backpressure.
public protocol BodyWriter: Sendable {
  func write(_ bytes: [UInt8]) async throws
  func write(_ file: FileSlice) async throws
  /// Sends what is gathered now: for answers that trickle.
  func flush() async throws
}
