/// Why a request got no (whole) answer: what was attempted, on what, why. Holds no tokens and no bodies.
public struct HTTPClientError: Error, Sendable, CustomStringConvertible {
  public enum Kind: Sendable, Hashable {
    /// Name look-up or connection failed, or the peer went away.
    case unreachable
    /// The TLS handshake failed, or the peer is not who was expected.
    case untrusted
    /// One of the deadlines passed.
    case timedOut
    /// The answer breaks the protocol or a limit.
    case badAnswer
    /// The request's own body failed; the cause is in the message.
    case bodyFailed
    case cancelled
    /// Too many transfers at once.
    case overloaded
    /// The request itself is not sendable (URL, header).
    case badRequest
  }

  public let kind: Kind
  public let message: String
  /// Whether bytes of the request may have reached the peer: then only an idempotent request may be repeated.
  public let mayHaveBeenSent: Bool

  public init(_ kind: Kind, _ message: String, mayHaveBeenSent: Bool = false) {
    self.kind = kind
    self.message = message
    self.mayHaveBeenSent = mayHaveBeenSent
  }

  public var description: String { "http client: \(message)" }
}
