public import Reactor
public import TLS

/// Where a server listens and how.
public struct HTTPServerConfiguration: Sendable {
  /// For logs and metrics: `api`, `probe`.
  public var name: String
  /// Port 0: the system chooses; `bind` tells.
  public var address: SocketAddress
  /// nil: plain HTTP, for roles behind a gateway and on loopback.
  public var tls: TLSServerContext?
  public var limits: HTTPLimits
  /// One log entry a request. Errors are logged in any case.
  public var logsAccess: Bool
  /// nil: `Request.client` is whoever holds the connection, whatever it says.
  public var trustedProxies: TrustedProxies?

  public init(
    name: String, address: SocketAddress, tls: TLSServerContext?, limits: HTTPLimits = HTTPLimits(),
    logsAccess: Bool = true, trustedProxies: TrustedProxies? = nil
  ) {
    self.name = name
    self.address = address
    self.tls = tls
    self.limits = limits
    self.logsAccess = logsAccess
    self.trustedProxies = trustedProxies
  }
}
