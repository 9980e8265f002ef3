internal import Core
internal import HTTP
internal import Telemetry

extension HTTPConnection {
  /// Keeps the request's span when its trace is sampled, or when it is worth a look by itself. Nothing is made for the
  /// others: they are most.
  func note(
    _ handled: Router.Handled, _ status: HTTPStatus, _ nanoseconds: Int64, _ failure: ConnectionEnd?,
    in spans: SpanRing
  ) {
    let request = handled.request
    let hasFailed = failure != nil || status.rawValue >= 500
    let mayBeSampled =
      request.head.header("traceparent").map { TraceContext.mayBeSampled($0) } ?? (server.sampledShare > 0)
    let isSlow = Duration.nanoseconds(nanoseconds) >= SpanRing.slow
    guard hasFailed || isSlow || mayBeSampled && request.trace.isSampled else { return }
    let trace = request.trace
    let route = handled.route.map { server.router.routes[$0].path }
    spans.record(
      TraceSpan(
        traceID: trace.traceID, spanID: trace.spanID, parentID: request.callersSpan?.spanID,
        name: route.map { "\(request.method.rawValue) \($0)" } ?? "no route",
        start: server.time.now() - .nanoseconds(nanoseconds), durationMicroseconds: nanoseconds / 1000,
        status: status.rawValue, failed: hasFailed))
  }
}
