internal import Core
public import HTTP
public import HTTPServer
internal import Telemetry

/// The web console: server-rendered pages over the control plane's own modules. It runs inside the control plane as the
/// role `console` with its own port; give its `routes`, `authorizer` and `errorResponse` to a `Router`.
public struct Console: Sendable {
  let identity: any ConsoleIdentity
  let fleet: any ConsoleFleet
  let trust: any ConsoleTrust
  let files: any ConsoleFiles
  let gate: SessionGate
  let assets: AssetStore
  let time: any TimeSource
  let random: any RandomSource
  let logger: Logger
  /// How often live tiles are sent.
  let eventInterval: Duration

  /// Signs people in and out and knows who may do what; the same for every route.
  public var authorizer: any Authorizer { gate }

  /// Pages instead of JSON where the router itself refuses.
  @Sendable public func errorResponse(_ error: APIError, _ request: Request) -> Response {
    if error.status == .seeOther { return Response.failure(error, requestID: nil).withConsoleHeaders(request) }
    if request.wantsJSON {
      var response = Response.failure(error, requestID: request.requestID).withConsoleHeaders(request)
      response.headers["HX-Redirect"] = error.headers["HX-Redirect"]
      return response
    }
    let view = view(of: request, session: nil)
    var response = Response.html(error.status, bytes: view.errorPage(Failure(explaining: error)).bytes)
    for (name, value) in error.headers.fields where name != "WWW-Authenticate" { response.headers.append(name, value) }
    return response.withConsoleHeaders(request)
  }

  func view(of request: Request, session: Session?) -> View {
    View(
      language: Cookie.language.value(in: request).flatMap { Language(rawValue: $0) }
        ?? Language(acceptLanguage: request.head.header("Accept-Language")),
      theme: Cookie.theme.value(in: request).flatMap { Theme(rawValue: $0) } ?? .device,
      session: session, assets: assets.links, path: request.path, now: time.now())
  }

  /// Everything the console answers.
  public var routes: [Route] {
    [assetRoute] + loginRoutes + dashboardRoutes + storageRoutes + fileRoutes + accessRoutes + trustRoutes
      + auditRoutes
      + settingsRoutes
  }

  private var assetRoute: Route {
    Route(.get, "/assets/{tag}/{name}", .open(reason: "styles and scripts say nothing about anybody")) {
      [assets] request in try assets.respond(to: request)
    }
  }
}

extension Request {
  /// Scripts of ours ask for JSON; everybody else is a person.
  var wantsJSON: Bool { head.header("Accept") == "application/json" || head.header("HX-Request") != nil }
}

extension Failure {
  /// As the router's errors are to be read by people, in their language where the console knows what happened.
  init(explaining error: APIError) {
    switch error.code {
    case .notFound: self.init(error.status, .pageNotFound)
    case .internalError: self.init(error.status, .unexpected)
    case .forbidden where error.message == SessionGate.foreign.message: self.init(error.status, .formExpired)
    case .forbidden where error.message == SessionGate.readonly.message: self.init(error.status, .readonlyRole)
    default: self.init(error)
    }
  }
}

extension Response {
  /// Nothing but our own files may run, and nobody may frame the console, keep its pages or guess their types.
  func withConsoleHeaders(_ request: Request) -> Response {
    var response = self
    let policy = [
      "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:", "connect-src 'self'",
      "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'",
    ]
    response.headers["Content-Security-Policy"] = policy.joined(separator: "; ")
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["X-Frame-Options"] = "DENY"
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    response.headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=()"
    response.headers["Cache-Control"] = "no-store"
    if Cookie.isSecure(request) { response.headers["Strict-Transport-Security"] = "max-age=31536000" }
    return response
  }
}
