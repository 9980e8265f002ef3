internal import HTTP
internal import Reactor

/// Why a connection cannot go on.
enum ConnectionEnd: Error, CustomStringConvertible {
  /// The peer closed it, or it broke.
  case gone(String)
  case timedOut(String)
  /// The server stops.
  case stopped
  /// What came is not HTTP, or more than is taken.
  case refused(HTTPParseError)
  /// The answer could not be finished: the connection must end so that the client notices.
  case unfinished(String)

  init(_ error: ReactorError) {
    switch error {
    case .timedOut(let what): self = .timedOut(what)
    case .cancelled: self = .stopped
    case .overloaded(let what): self = .gone(what)
    case .system: self = .gone(error.description)
    }
  }

  /// The metric's label.
  var reason: String {
    switch self {
    case .gone: "gone"
    case .timedOut: "timeout"
    case .stopped: "stopped"
    case .refused(let error): "status_\(error.status.rawValue)"
    case .unfinished: "unfinished"
    }
  }

  var description: String {
    switch self {
    case .gone(let why), .unfinished(let why): why
    case .timedOut(let what): "timed out: \(what)"
    case .stopped: "the server stops"
    case .refused(let error): error.reason
    }
  }

  /// For a handler that reads the body.
  var apiError: APIError {
    switch self {
    case .timedOut: APIError(.timeout, "the body came too slowly; send it again over a better link")
    case .refused(let error): error.apiError
    case .stopped: APIError(.overloaded, "the server stops; send the request again")
    case .gone, .unfinished: APIError(.validation, "the connection ended before the body did; send it again")
    }
  }
}
