/// Why bytes from a peer are not the message they claim to be. Carries the status a server answers with.
public struct HTTPParseError: Error, Sendable, Equatable {
  /// 400 for a violated grammar, 414/431 for a limit, 417/501/505 for what HTTP has but we do not.
  public let status: HTTPStatus
  /// What was wrong; holds nothing of the peer's bytes.
  public let reason: String

  public init(_ status: HTTPStatus, _ reason: String) {
    self.status = status
    self.reason = reason
  }

  /// The same as a contract error.
  public var apiError: APIError {
    let code: ErrorCode = status == .headerFieldsTooLarge || status == .uriTooLong ? .headersTooLarge : .validation
    return APIError(code, "the request is not valid HTTP: \(reason)", status: status)
  }
}
