internal import ApplianceServer
internal import Configuration
internal import Core
internal import HTTPServer
internal import Reactor
internal import TLS
internal import Telemetry

/// Both listeners' servers, bound.
struct Servers {
  let api: HTTPServer
  let probe: HTTPServer
  let apiAddress: SocketAddress
  let probeAddress: SocketAddress

  /// Binds, or takes over what systemd holds. Errors name the key.
  init(
    _ context: CommandContext, _ appliance: Appliance, _ listeners: Listeners, inherited: InheritedSockets,
    loops: EventLoopGroup, metrics: HTTPServerMetrics, logger: Logger
  ) throws {
    let values = context.values
    var apiLimits = values.apiLimits
    let probeLimits = values.probeLimits
    apiLimits.connectionsMax = DescriptorLimit.connections(
      wanted: apiLimits.connectionsMax, others: probeLimits.connectionsMax, logger: logger)
    func server(
      _ name: String, _ setting: Setting<NetworkAddress>, _ tls: TLSServerContext, _ router: Router,
      _ limits: HTTPLimits, _ spans: SpanRing? = nil
    ) throws -> (HTTPServer, SocketAddress) {
      let wanted = values[setting]
      guard let address = SocketAddress(host: wanted.host, port: Int(wanted.port)) else {
        throw CommandFailure.configuration("\(setting.key): \(wanted.host) is not a numeric IPv4 or IPv6 address")
      }
      let socket = try inherited.socket(name, wanted: address, key: setting.key)
      let server = HTTPServer(
        HTTPServerConfiguration(name: name, address: address, tls: tls, limits: limits), router: router, loops: loops,
        logger: logger, metrics: metrics, time: context.time, random: context.random, spans: spans)
      do { return (server, try server.bind(inherited: socket)) } catch {
        throw CommandFailure.configuration("\(setting.key): cannot listen on \(wanted): \(error)")
      }
    }
    (api, apiAddress) = try server("api", Settings.apiAddress, listeners.api, appliance.api, apiLimits, appliance.spans)
    (probe, probeAddress) = try server("probe", Settings.probeAddress, listeners.probe, appliance.probe, probeLimits)
  }
}
