public import Core
internal import HTTP
public import HTTPServer
internal import StorageAPI
public import Store
public import Telemetry

/// The appliance's front put together: what its two listeners answer. Needs no sockets, so that tests call the routers.
public struct Appliance: Sendable {
  public let api: Router
  public let probe: Router
  public let readiness: Readiness
  /// Spans of finished requests, for whoever comes for them.
  public let spans: SpanRing

  /// `probesPerSecond`: what the probe listener answers; three times as many at once.
  public init(
    store: Store, maintenance: any Maintenance, onboarding: Onboarding, fileBytesMax: Int, time: any TimeSource,
    random: any RandomSource, logger: Logger, metrics: MetricsRegistry, probesPerSecond: Int = 20
  ) {
    let readiness = Readiness(store: store, onboarding: onboarding, time: time)
    self.readiness = readiness
    let spans = SpanRing(random: random)
    self.spans = spans
    ApplianceMetrics.register(
      in: metrics, store: store, onboarding: onboarding, readiness: readiness, time: time)
    UploadMetrics.register(in: metrics, store: store)
    UpkeepMetrics.register(in: metrics, store: store, maintenance: maintenance, time: time)
    let service = serviceRoutes(service: "appliance", time: time, metrics: metrics) { readiness.checks() }
    let routes =
      UploadRoute(store: store, fileBytesMax: fileBytesMax).routes
      + ResumableRoutes(store: store, fileBytesMax: fileBytesMax).routes
      + FileRoutes(store: store).routes
      + DownloadRoute(store: store, random: random).routes
      + FeedRoutes(store: store).routes
      + StateRoutes(store: store, maintenance: maintenance, onboarding: onboarding, time: time).routes
      + ChainRoute(store: store).routes
      + SpanRoute(spans: spans).routes
      + ClaimRoute(onboarding: onboarding, store: store).routes
      + TrustRoutes(onboarding: onboarding, store: store).routes
      + service
    api = Router(
      routes, authorizer: ApplianceAuthorizer(onboarding: onboarding), logger: logger,
      renderError: ResumableRoutes.refusal)
    let limit = RateLimit(perSecond: Double(probesPerSecond), burst: Double(probesPerSecond * 3), time: time)
    let probes = ProbeRoutes(readiness: readiness, metrics: metrics, time: time, limit: limit)
    probe = Router(probes.routes, authorizer: ProbeAuthorizer(limit: limit), logger: logger)
  }
}
