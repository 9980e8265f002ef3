public import HTTP
internal import Reactor
public import Telemetry

/// One method on one path, who may call it, and what answers. A path is literal segments and `{parameters}`.
public struct Route: Sendable {
  public typealias Handler = @Sendable (Request) async throws -> Response

  public let method: HTTPMethod
  public let path: String
  public let access: Access
  /// Bodies declared larger are refused before they are read; `Int.max` for handlers that stream.
  public let bodyLimit: Int
  let segments: [Segment]
  let parameterNames: [String]
  let handler: Handler
  /// The same handler where it never waits.
  let atOnce: (@Sendable (Request) throws -> Response)?

  public init(
    _ method: HTTPMethod, _ path: String, _ access: Access, bodyLimit: Int = 65_536, _ handler: @escaping Handler
  ) {
    self.init(method, path, access, bodyLimit, handler, atOnce: nil)
  }

  /// For an answer that is made without waiting for anything: it may go out without waking the connection's task.
  /// The handler must not mind being asked twice.
  public static func atOnce(
    _ method: HTTPMethod, _ path: String, _ access: Access,
    _ handler: @escaping @Sendable (Request) throws -> Response
  ) -> Route {
    Route(method, path, access, 65_536, { try handler($0) }, atOnce: handler)
  }

  private init(
    _ method: HTTPMethod, _ path: String, _ access: Access, _ bodyLimit: Int, _ handler: @escaping Handler,
    atOnce: (@Sendable (Request) throws -> Response)?
  ) {
    self.atOnce = atOnce
    precondition(path.hasPrefix("/"), "a route's path begins with a slash: \(path)")
    self.method = method
    self.path = path
    self.access = access
    self.bodyLimit = bodyLimit
    self.handler = handler
    segments = path.dropFirst().split(separator: "/", omittingEmptySubsequences: false).map { part in
      part.hasPrefix("{") && part.hasSuffix("}")
        ? .parameter(String(part.dropFirst().dropLast())) : .literal(String(part))
    }
    parameterNames = segments.compactMap { if case .parameter(let name) = $0 { name } else { nil } }
  }

  enum Segment: Hashable, Sendable {
    case literal(String)
    case parameter(String)
  }
}

/// Finds the route, asks the authorizer, runs the handler, and turns every error into the contract's answer.
public final class Router: Sendable {
  public let routes: [Route]
  private let authorizer: any Authorizer
  private let logger: Logger
  private let renderError: @Sendable (APIError, Request) -> Response
  private let root: RouteTree

  /// Two routes with one method and one path are a programming error. `renderError` replaces the contract's JSON (the
  /// console answers HTML).
  public init(
    _ routes: [Route], authorizer: any Authorizer, logger: Logger = .silent,
    renderError: (@Sendable (APIError, Request) -> Response)? = nil
  ) {
    self.routes = routes
    self.authorizer = authorizer
    self.logger = logger
    self.renderError = renderError ?? { error, request in .failure(error, requestID: request.requestID) }
    root = RouteTree(routes)
  }

  public func respond(to request: Request) async -> Response { await handle(request).response }

  /// The answer, the route it came from (nil when none fits) and the request as it was handled: for metrics
  /// and the access log.
  func handle(_ original: Request) async -> Handled {
    var request = original
    var index: Int?
    do {
      if let answer = try answerWithoutRoute(request) { return Handled(response: answer, route: nil, request: request) }
      let place = try match(&request)
      index = place
      request.principal = try await authorizer.authorize(request, for: routes[place].access)
      if request.head.hasBody { try request.body.limit(to: routes[place].bodyLimit) }
      let response = try await routes[place].handler(request)
      return Handled(response: response, route: index, request: request)
    } catch {
      return Handled(response: failure(error, request), route: index, request: request)
    }
  }

  /// The same where nothing has to be waited for. Nil: let `handle` do it, which says what is wrong as well.
  func handleAtOnce(_ original: Request) -> Handled? {
    var request = original
    guard request.method == .get, !request.head.hasBody, let place = try? match(&request),  // `handle` tells the error
      let handler = routes[place].atOnce
    else { return nil }
    do {
      guard let caller = try authorizer.authorizeAtOnce(request, for: routes[place].access) else { return nil }
      request.principal = caller
      return Handled(response: try handler(request), route: place, request: request)
    } catch {
      return nil
    }
  }

  struct Handled {
    let response: Response
    /// The place in `routes`.
    let route: Int?
    /// With parameters and principal.
    let request: Request
  }

  /// An error as an answer. What is no `APIError` is logged and told to nobody.
  func failure(_ error: any Error, _ request: Request) -> Response {
    switch error {
    case let error as APIError: return refuse(error, request)
    case let error as any APIErrorConvertible:
      if let known = error.apiError { return refuse(known, request) }
      return fail(error, request)
    case is CancellationError, ReactorError.cancelled:
      return renderError(APIError(.timeout, "the request was cut off before it was finished; send it again"), request)
    case ReactorError.overloaded:
      return refuse(
        APIError(
          .overloaded, "the server has too much to do; try again shortly", headers: ["Retry-After": "1"], cause: error),
        request)
    default: return fail(error, request)
    }
  }

  private func refuse(_ error: APIError, _ request: Request) -> Response {
    if let cause = error.cause {
      logger.warning(
        "request failed",
        ["request_id": .string(request.requestID), "code": .string(error.code.rawValue), "cause": .string(cause)])
    }
    return renderError(error, request)
  }

  private func fail(_ error: any Error, _ request: Request) -> Response {
    logger.error(
      "request failed unexpectedly",
      ["request_id": .string(request.requestID), "path": .string(request.path), "error": .error(error)])
    return renderError(APIError(.internalError, "an internal error; quote the request id to the operator"), request)
  }

  /// The route's place; the path's parameters go into the request.
  private func match(_ request: inout Request) throws(APIError) -> Int {
    var path = request.path
    let (found, bound) = path.withUTF8 { root.find($0) }
    guard !found.isEmpty else {
      throw APIError(.notFound, "there is nothing at this path; the API's paths begin with /api/v1")
    }
    let wanted = request.method
    guard
      let place = found.first(where: { routes[$0].method == wanted })
        ?? (wanted == .head ? found.first(where: { routes[$0].method == .get }) : nil)
    else {
      throw methodNotAllowed(Array(found))
    }
    if bound.count > 0 {
      request.pathParameters = Request.PathParameters(template: routes[place].path, bound: bound)
    }
    return place
  }

  /// What no route is asked about: methods that nobody knows, and `OPTIONS` (RFC 9110 §9.3.7) of the server as a whole
  /// or of a path that has no answer of its own to it. Tells no more than a 405 would.
  private func answerWithoutRoute(_ request: Request) throws(APIError) -> Response? {
    switch request.method {
    case .other:
      throw APIError(
        .methodNotAllowed, "the method is unknown here; methods are written in capitals", status: .notImplemented)
    case .options:
      if request.path == "*" { return .empty(.noContent, headers: ["Allow": allowed(Array(routes.indices))]) }
      var path = request.path
      let (found, _) = path.withUTF8 { root.find($0) }
      if found.isEmpty || found.contains(where: { routes[$0].method == .options }) { return nil }
      return .empty(.noContent, headers: ["Allow": allowed(Array(found))])
    default: return nil
    }
  }

  private func methodNotAllowed(_ places: [Int]) -> APIError {
    let list = allowed(places)
    return APIError(.methodNotAllowed, "this path answers \(list)", headers: ["Allow": list])
  }

  /// The methods of some routes, with those that follow from them.
  private func allowed(_ places: [Int]) -> String {
    var methods = Set(places.map { routes[$0].method.rawValue })
    if methods.contains(HTTPMethod.get.rawValue) { methods.insert(HTTPMethod.head.rawValue) }
    methods.insert(HTTPMethod.options.rawValue)
    return methods.sorted().joined(separator: ", ")
  }
}
