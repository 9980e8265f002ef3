internal import HTTP

/// The routes by segments: a literal wins over a parameter, and the search goes back to the parameter where the
/// literal ends
/// in nothing.
struct RouteTree: Sendable {
  struct Match {
    let route: Route
    let parameters: [String: String]
  }

  private var literals: [String: RouteTree] = [:]
  /// Boxed, because a struct cannot hold itself.
  private var parameter: [RouteTree] = []
  private var routes: [Route] = []

  init(_ routes: [Route]) {
    for route in routes { insert(route, route.segments[...]) }
  }

  private mutating func insert(_ route: Route, _ rest: ArraySlice<Route.Segment>) {
    switch rest.first {
    case nil:
      precondition(
        !routes.contains { $0.method == route.method }, "\(route.method.rawValue) \(route.path) stands twice")
      routes.append(route)
    case .literal(let text):
      literals[text, default: RouteTree([])].insert(route, rest.dropFirst())
    case .parameter:
      if parameter.isEmpty { parameter.append(RouteTree([])) }
      parameter[0].insert(route, rest.dropFirst())
    }
  }

  /// The routes at a path, one for each method; empty when there is none.
  func match(_ segments: [Substring]) -> [Match] {
    var bound: [Substring] = []
    guard let routes = find(segments[...], &bound) else { return [] }
    return routes.map { route in
      var parameters: [String: String] = [:]
      var values = bound[...]
      for case .parameter(let name) in route.segments { parameters[name] = values.popFirst().map(String.init) }
      return Match(route: route, parameters: parameters)
    }
  }

  private func find(_ rest: ArraySlice<Substring>, _ bound: inout [Substring]) -> [Route]? {
    guard let segment = rest.first else { return routes.isEmpty ? nil : routes }
    if let next = literals[String(segment)], let found = next.find(rest.dropFirst(), &bound) { return found }
    guard let next = parameter.first, !segment.isEmpty else { return nil }
    bound.append(segment)
    if let found = next.find(rest.dropFirst(), &bound) { return found }
    bound.removeLast()
    return nil
  }
}
