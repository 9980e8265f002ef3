public import Crypto
public import JWT

/// Who may call a route. Every route declares one; there is no default.
public enum Access: Sendable, Hashable {
  /// Nobody is asked. The reason is for the reader and for the test that lists such routes.
  case open(reason: String)
  /// A peer with one of these roles in its verified certificate, no token.
  case certificate(Set<PeerRole>)
  /// A bearer token with this scope, or an administrator whose role allows it.
  case scope(Scope)
  /// Any valid bearer token.
  case anyToken
  /// A console session; writing needs the role `admin` and the CSRF proof.
  case session(write: Bool)
  /// The handler itself checks a proof that comes in the request (claim, login, token endpoint).
  case proof(reason: String)
}

/// Who is calling, once known. One reference: every request carries it.
public final class Principal: Sendable {
  /// The token's `sub`, the administrator's login, or the certificate's identity; empty for nobody.
  public let subject: String
  public let scopes: Set<Scope>
  public let role: AdminRole?
  /// The person for whom an internal token acts.
  public let actsFor: String?
  public let peer: PeerIdentity?

  public init(
    subject: String, scopes: Set<Scope> = [], role: AdminRole? = nil, actsFor: String? = nil, peer: PeerIdentity? = nil
  ) {
    self.subject = subject
    self.scopes = scopes
    self.role = role
    self.actsFor = actsFor
    self.peer = peer
  }

  /// Whom audit and `uploaded_by` name: the person acted for, otherwise the subject.
  public var author: String { actsFor ?? subject }

  public func may(_ scope: Scope) -> Bool { scopes.contains(scope) || role?.allows(scope) ?? false }

  public static let nobody = Principal(subject: "")
}
