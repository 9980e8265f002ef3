internal import HTTP
internal import Reactor

/// Why a connection cannot go on.
enum ConnectionEnd: Error, CustomStringConvertible {
  /// The peer closed it, or it broke.
  case gone(String)
  case timedOut(PeerWait)
  /// The peer keeps moving, but below the least pace.
  case tooSlow(PeerWait)
  /// Another connection needed its place.
  case evicted
  /// The client's certificate is no longer trusted.
  case untrusted
  /// The server stops.
  case stopped
  /// What came is not HTTP, or more than is taken.
  case refused(HTTPParseError)
  /// The answer could not be finished: the connection must end so that the client notices.
  case unfinished(String)

  init(_ error: ReactorError, waitingFor wait: PeerWait) {
    switch error {
    case .timedOut: self = .timedOut(wait)
    case .cancelled: self = .stopped
    case .overloaded(let what): self = .gone(what)
    case .system: self = .gone(error.description)
    }
  }

  /// The metric's label.
  var reason: String {
    switch self {
    case .gone: "gone"
    case .timedOut(let wait): "\(wait.rawValue)_timeout"
    case .tooSlow(let wait): "\(wait.rawValue)_pace"
    case .evicted: "evicted"
    case .untrusted: "untrusted"
    case .stopped: "stopped"
    case .refused(let error): "status_\(error.status.rawValue)"
    case .unfinished: "unfinished"
    }
  }

  var description: String {
    switch self {
    case .gone(let why), .unfinished(let why): why
    case .timedOut(let wait): "timed out: \(wait.text)"
    case .tooSlow(let wait): "too slow: \(wait.text)"
    case .evicted: "another connection needed its place"
    case .untrusted: "the client's certificate is no longer trusted"
    case .stopped: "the server stops"
    case .refused(let error): error.reason
    }
  }

  /// For a handler that reads the body.
  var apiError: APIError {
    switch self {
    case .timedOut, .tooSlow: APIError(.timeout, "the body came too slowly; send it again over a better link")
    case .refused(let error): error.apiError
    case .stopped, .evicted:
      APIError(.overloaded, "the server stops; send the request again", headers: ["Retry-After": "1"])
    case .untrusted:
      APIError(.forbidden, "this client certificate is no longer trusted; connect with one of the fleet's")
    case .gone, .unfinished: APIError(.validation, "the connection ended before the body did; send it again")
    }
  }
}
