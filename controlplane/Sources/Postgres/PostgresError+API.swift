public import HTTP

extension PostgresError: APIErrorConvertible {
  /// A database that is away, full or slow is a reason to come back; text that PostgreSQL cannot hold is the client's
  /// to mend; everything else is ours.
  public var apiError: APIError? {
    switch kind {
    case .connection, .overloaded, .closed, .timedOut:
      return APIError(
        .overloaded, "the database does not answer in time; try again in a few seconds", headers: ["Retry-After": "5"],
        cause: self)
    case .cancelled:
      return APIError(.timeout, "the request was cut off before it was finished; send it again")
    default:
      switch sqlState {
      case "22021": return APIError(.validation, "a text holds U+0000 or is not UTF-8; leave such characters out")
      case "57014", "53300", "57P01", "57P02", "57P03":
        return APIError(
          .overloaded, "the database is busy or restarting; try again in a few seconds", headers: ["Retry-After": "5"],
          cause: self)
      default: return nil
      }
    }
  }
}
