/// An error of a lower module that knows what a client should be told: a database that does not answer is not an
/// internal error but a reason to come back.
public protocol APIErrorConvertible: Error {
  /// Nil: nothing a client can act on.
  var apiError: APIError? { get }
}
