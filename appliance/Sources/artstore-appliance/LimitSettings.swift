internal import Configuration
internal import HTTP
internal import HTTPServer

/// What is taken from outside, and how long anything may take. The probe listener shares the times.
extension Settings {
  private static let second = Duration.seconds(1)
  private static let hour = Duration.seconds(3600)
  private static let defaults = HTTPLimits()

  static let connectionsMax = Setting(
    "SE_MAX_CONNECTIONS", .integer(16...100_000), default: 4096,
    doc: "Connections of the API listener at once. One more takes the place of the one that idles longest.")
  static let connectionsPerAddressMax = Setting(
    "SE_MAX_CONNECTIONS_PER_ADDRESS", .integer(1...100_000), default: 1024,
    doc: "API connections at once from one IPv4 address or one IPv6 /64.")
  static let handshakesMax = Setting(
    "SE_MAX_HANDSHAKES", .integer(8...100_000), default: 512,
    doc: "Unfinished TLS handshakes of the API listener at once. One more takes the place of the slowest.")
  static let handshakesPerSecondMax = Setting(
    "SE_HANDSHAKES_PER_SECOND", .integer(0...100_000), default: 500,
    doc: "New TLS connections of the API listener each second, twice as many at once; others are closed. 0: any number."
  )
  static let probeConnectionsMax = Setting(
    "SE_PROBE_MAX_CONNECTIONS", .integer(4...10_000), default: 256,
    doc: "Connections of the probe listener at once, a quarter of them from one address.")
  static let probeHandshakesPerSecondMax = Setting(
    "SE_PROBE_HANDSHAKES_PER_SECOND", .integer(0...10_000), default: 50,
    doc: "New TLS connections of the probe listener each second. 0: any number.")
  static let probeRequestsPerSecondMax = Setting(
    "SE_PROBE_REQUESTS_PER_SECOND", .integer(1...10_000), default: 20,
    doc: "Requests of the probe listener each second, three times as many at once; others are answered 429.")
  static let headBytesMax = Setting(
    "SE_MAX_HEADER_BYTES", .bytes(1024...1 << 20), default: defaults.head.bytesMax, unit: "bytes",
    doc: "Request line and fields of one request; more is answered 431.")
  static let handshakeTimeout = Setting<Duration>(
    "SE_HANDSHAKE_TIMEOUT", .duration(second...hour), default: defaults.handshakeTimeout,
    doc: "From the connection to the finished TLS handshake.")
  static let headTimeout = Setting<Duration>(
    "SE_HEADER_TIMEOUT", .duration(second...hour), default: defaults.headTimeout,
    doc: "From a request's first byte to the end of its fields.")
  static let idleTimeout = Setting<Duration>(
    "SE_IDLE_TIMEOUT", .duration(second...hour), default: defaults.idleTimeout, doc: "Between two requests.")
  static let bodyTimeout = Setting<Duration>(
    "SE_BODY_TIMEOUT", .duration(second...hour), default: defaults.bodyIdleTimeout,
    doc: "Between two pieces of a body, either way.")
  static let bodyBytesPerSecondMin = Setting(
    "SE_MIN_BYTES_PER_SECOND", .bytes(0...1 << 30), default: defaults.bodyBytesPerSecondMin,
    unit: "bytes each second",
    doc: "A body that stays slower, either way, after 30 s of waiting for the peer is cut off. 0: never.")

  static let limits: [any AnySetting] = [
    connectionsMax, connectionsPerAddressMax, handshakesMax, handshakesPerSecondMax, probeConnectionsMax,
    probeHandshakesPerSecondMax, probeRequestsPerSecondMax, headBytesMax, handshakeTimeout, headTimeout, idleTimeout,
    bodyTimeout, bodyBytesPerSecondMin,
  ]
}

extension ConfigurationValues {
  var apiLimits: HTTPLimits {
    var limits = commonLimits
    limits.connectionsMax = self[Settings.connectionsMax]
    limits.connectionsPerAddressMax = self[Settings.connectionsPerAddressMax]
    limits.handshakesMax = self[Settings.handshakesMax]
    limits.handshakesPerSecondMax = self[Settings.handshakesPerSecondMax]
    return limits
  }

  var probeLimits: HTTPLimits {
    var limits = commonLimits
    limits.connectionsMax = self[Settings.probeConnectionsMax]
    limits.connectionsPerAddressMax = max(1, limits.connectionsMax / 4)
    limits.handshakesMax = max(1, limits.connectionsMax / 4)
    limits.handshakesPerSecondMax = self[Settings.probeHandshakesPerSecondMax]
    return limits
  }

  private var commonLimits: HTTPLimits {
    var limits = HTTPLimits()
    limits.head.bytesMax = self[Settings.headBytesMax]
    limits.handshakeTimeout = self[Settings.handshakeTimeout]
    limits.headTimeout = self[Settings.headTimeout]
    limits.idleTimeout = self[Settings.idleTimeout]
    limits.bodyIdleTimeout = self[Settings.bodyTimeout]
    limits.bodyBytesPerSecondMin = self[Settings.bodyBytesPerSecondMin]
    return limits
  }
}
