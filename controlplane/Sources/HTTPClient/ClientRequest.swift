public import Core
public import HTTP

/// A request to send. `url` is absolute, http or https.
public struct ClientRequest: Sendable {
  public var method: HTTPMethod
  public var url: String
  public var headers: HeaderFields
  public var body: ClientBody
  public var timeouts: ClientTimeouts
  /// Who we are and whom we trust, for https; nil: the system's authorities, no client certificate.
  public var tls: ClientTLS?
  /// Ask the peer before sending the body (RFC 9110 §10.1.1), so that a refusal costs no body bytes.
  public var expectsContinue: Bool

  public init(
    _ method: HTTPMethod, _ url: String, headers: HeaderFields = [:], body: ClientBody = .empty,
    timeouts: ClientTimeouts = ClientTimeouts(), tls: ClientTLS? = nil, expectsContinue: Bool = false
  ) {
    self.method = method
    self.url = url
    self.headers = headers
    self.body = body
    self.timeouts = timeouts
    self.tls = tls
    self.expectsContinue = expectsContinue
  }
}

/// A request's body.
public enum ClientBody: Sendable {
  case empty
  case bytes([UInt8])
  /// Pulled chunk by chunk, nil at the end; one chunk is held. Without a length it goes out chunked.
  case stream(length: Int?, next: @Sendable () async throws -> [UInt8]?)
}

public struct ClientTimeouts: Sendable {
  public var connect: Duration
  /// The whole exchange, body included; nil for streams, which `stall` watches.
  public var total: Duration?
  /// Give up when fewer than `stallBytesPerSecond` moved for this long, in either direction.
  public var stall: Duration
  public var stallBytesPerSecond: Int

  public init(
    connect: Duration = .seconds(5), total: Duration? = .seconds(30), stall: Duration = .seconds(30),
    stallBytesPerSecond: Int = 1
  ) {
    self.connect = connect
    self.total = total
    self.stall = stall
    self.stallBytesPerSecond = stallBytesPerSecond
  }
}

/// Who we are and whom we trust. One object per peer identity: connections are reused only under the same object.
public final class ClientTLS: Sendable {
  /// How the peer proves who it is.
  public enum Trust: Sendable {
    /// The system's authorities, and the URL's host name.
    case system
    /// These authorities (PEM), and the URL's host name.
    case authorities(String)
    /// These authorities (PEM), and this URI among the certificate's subject alternative names; the host is not
    /// looked at.
    case identity(authorities: String, uri: String)
    /// Nothing in the handshake: for the claim, where the code proves the key; see `ClientConnection.peer`.
    case provenByCaller
  }

  public let trust: Trust
  /// PEM, leaf first.
  public let certificate: String?
  public let privateKey: String?
  /// SHA-256 of the only SPKI to accept, besides what `trust` demands.
  public let pinnedSPKI: Checksum?
  /// The dates of the peer's certificate are not looked at; only where the key is pinned and `trust` is `identity`.
  public let forgivesDates: Bool

  public init(
    trust: Trust, certificate: String? = nil, privateKey: String? = nil, pinnedSPKI: Checksum? = nil,
    forgivesDates: Bool = false
  ) {
    self.forgivesDates = forgivesDates && pinnedSPKI != nil
    self.trust = trust
    self.certificate = certificate
    self.privateKey = privateKey
    self.pinnedSPKI = pinnedSPKI
  }
}
