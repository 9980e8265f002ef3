internal import HTTP

/// The routes by segments: a literal wins over a parameter, and the search goes back to the parameter where the literal
/// ends in nothing. Looks at bytes, in flat arrays: every request of every loop passes here, and counting references to
/// what the loops share would cost more than the search.
struct RouteTree: Sendable {
  /// Parameters in one path.
  private static let parametersMax = 8

  private struct Node: Sendable {
    var literals = 0..<0
    var parameter: Int?
    var places = 0..<0
  }

  /// A segment that is written out: where its text lies in `text`, and what follows it.
  private struct Literal: Sendable {
    let text: Range<Int>
    let node: Int
  }

  /// Where a path's parameters lie in it.
  struct Bound: Sendable {
    private var ranges: InlineArray<8, Range<UInt32>> = .init(repeating: 0..<0)
    private(set) var count = 0

    subscript(index: Int) -> Range<Int> { Int(ranges[index].lowerBound)..<Int(ranges[index].upperBound) }

    fileprivate mutating func append(_ range: Range<Int>) {
      ranges[count] = UInt32(range.lowerBound)..<UInt32(range.upperBound)
      count += 1
    }

    fileprivate mutating func removeLast() { count -= 1 }
  }

  private var nodes: [Node] = []
  private var literals: [Literal] = []
  private var text: [UInt8] = []
  /// Places in the router's list, those of one path side by side.
  private var places: [Int] = []

  init(_ routes: [Route]) {
    for (index, route) in routes.enumerated() {
      precondition(
        route.parameterNames.count <= Self.parametersMax, "\(route.path) has more than \(Self.parametersMax) parameters"
      )
      precondition(
        !routes[..<index].contains { $0.method == route.method && $0.shape == route.shape },
        "\(route.method.rawValue) \(route.path) stands twice")
    }
    _ = add(routes.indices.map { ($0, routes[$0].segments[...]) })
  }

  /// Adds the node that these routes' remaining segments begin at.
  private mutating func add(_ routes: [(place: Int, rest: ArraySlice<Route.Segment>)]) -> Int {
    let node = nodes.count
    nodes.append(Node())
    let ending = routes.filter { $0.rest.isEmpty }.map(\.place)
    nodes[node].places = places.count..<(places.count + ending.count)
    places += ending
    var names: [String] = []
    var parameters: [(place: Int, rest: ArraySlice<Route.Segment>)] = []
    for route in routes {
      switch route.rest.first {
      case .literal(let name)? where !names.contains(name): names.append(name)
      case .parameter?: parameters.append((route.place, route.rest.dropFirst()))
      default: break
      }
    }
    let following = names.map { name in
      let start = text.count
      text += Array(name.utf8)
      let below = routes.filter { $0.rest.first == .literal(name) }.map { ($0.place, $0.rest.dropFirst()) }
      return Literal(text: start..<(start + name.utf8.count), node: add(below))
    }
    nodes[node].literals = literals.count..<(literals.count + following.count)
    literals += following
    if !parameters.isEmpty {
      let next = add(parameters)
      nodes[node].parameter = next
    }
    return node
  }

  /// The routes at a path, one for each method: places in the router's list; empty when there is none.
  func find(_ path: UnsafeBufferPointer<UInt8>) -> (routes: ArraySlice<Int>, bound: Bound) {
    var bound = Bound()
    guard path.first == UInt8(ascii: "/"), let node = find(path, 1, 0, &bound) else { return ([], bound) }
    return (places[nodes[node].places], bound)
  }

  /// `start`: where the next segment begins; beyond the path's end when there is none.
  private func find(_ path: UnsafeBufferPointer<UInt8>, _ start: Int, _ node: Int, _ bound: inout Bound) -> Int? {
    let here = nodes[node]
    guard start <= path.count else { return here.places.isEmpty ? nil : node }
    var end = start
    while end < path.count, path[end] != UInt8(ascii: "/") { end += 1 }
    for index in here.literals where isSegment(path, start..<end, literals[index].text) {
      if let found = find(path, end + 1, literals[index].node, &bound) { return found }
    }
    guard let next = here.parameter, end > start else { return nil }
    bound.append(start..<end)
    if let found = find(path, end + 1, next, &bound) { return found }
    bound.removeLast()
    return nil
  }

  private func isSegment(_ path: UnsafeBufferPointer<UInt8>, _ segment: Range<Int>, _ literal: Range<Int>) -> Bool {
    guard segment.count == literal.count else { return false }
    for offset in 0..<segment.count where path[segment.lowerBound + offset] != text[literal.lowerBound + offset] {
      return false
    }
    return true
  }
}

extension Route {
  /// The path without its parameters' names: two routes with one shape answer the same paths.
  fileprivate var shape: [Segment] {
    segments.map { if case .parameter = $0 { .parameter("") } else { $0 } }
  }
}
