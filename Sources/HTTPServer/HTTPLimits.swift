public import HTTP

/// What one server takes from outside. Every wait has a deadline and every queue an end.
public struct HTTPLimits: Sendable {
  /// Open connections, all loops together. One more takes the place of one that is idle or slow to begin; when there is
  /// none it is closed at once, before TLS.
  public var connectionsMax = 10_000
  /// Open connections from one IPv4 address or one IPv6 /64.
  public var connectionsPerAddressMax = 10_000
  /// TLS handshakes that are not finished, all loops together; one more takes the place of the slowest.
  public var handshakesMax = 1024
  /// TLS handshakes begun a second, with a burst of two seconds' worth; more are closed before they cost anything.
  /// 0: any number.
  public var handshakesPerSecondMax = 0
  /// Request line and fields.
  public var head = HeadLimits()
  /// From the accepted connection to the finished TLS handshake.
  public var handshakeTimeout = Duration.seconds(10)
  /// From a head's first byte to its last.
  public var headTimeout = Duration.seconds(10)
  /// Between requests.
  public var idleTimeout = Duration.seconds(75)
  /// A connection that keeps still so long between two requests gives up its task, and with it some 6 KiB, until it is
  /// needed again.
  public var stillTimeout = Duration.seconds(1)
  /// Between two pieces of a body, either way.
  public var bodyIdleTimeout = Duration.seconds(30)
  /// A body slower than this, after `bodyGrace` of waiting for the peer, either way, is cut off. 0: never.
  public var bodyBytesPerSecondMin = 128
  public var bodyGrace = Duration.seconds(30)
  /// A body that the handler did not read is read away up to so many bytes, so that the connection can be kept and the
  /// client gets to read the answer.
  public var drainBytesMax = 262_144
  /// And for so long.
  public var drainTimeout = Duration.seconds(2)
  /// How long requests under way may take after a graceful stop was asked for.
  public var stopTimeout = Duration.seconds(25)

  public init() {}
}
