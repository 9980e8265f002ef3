internal import HTTP

/// The routes by segments: a literal wins over a parameter, and the search goes back to the parameter where the literal
/// ends in nothing. Looks at bytes: every request passes here.
struct RouteTree: Sendable {
  /// Parameters in one path.
  private static let parametersMax = 8

  private struct Node: Sendable {
    var literals: [(text: [UInt8], node: Int)] = []
    var parameter: Int?
    /// One a method: places in the router's list.
    var routes: [Int] = []
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

  private var nodes = [Node()]

  init(_ routes: [Route]) {
    for (index, route) in routes.enumerated() {
      precondition(
        route.parameterNames.count <= Self.parametersMax, "\(route.path) has more than \(Self.parametersMax) parameters"
      )
      let end = route.segments.reduce(0) { step(from: $0, $1) }
      precondition(
        !nodes[end].routes.contains { routes[$0].method == route.method },
        "\(route.method.rawValue) \(route.path) stands twice")
      nodes[end].routes.append(index)
    }
  }

  private mutating func step(from node: Int, _ segment: Route.Segment) -> Int {
    switch segment {
    case .literal(let text):
      let bytes = Array(text.utf8)
      if let known = nodes[node].literals.first(where: { $0.text == bytes }) { return known.node }
      nodes.append(Node())
      nodes[node].literals.append((bytes, nodes.count - 1))
    case .parameter:
      if let known = nodes[node].parameter { return known }
      nodes.append(Node())
      nodes[node].parameter = nodes.count - 1
    }
    return nodes.count - 1
  }

  /// The routes at a path, one for each method; empty when there is none.
  func find(_ path: UnsafeBufferPointer<UInt8>) -> (routes: [Int], bound: Bound) {
    var bound = Bound()
    guard path.first == UInt8(ascii: "/"), let node = find(path, 1, 0, &bound) else { return ([], bound) }
    return (nodes[node].routes, bound)
  }

  /// `start`: where the next segment begins; beyond the path's end when there is none.
  private func find(_ path: UnsafeBufferPointer<UInt8>, _ start: Int, _ node: Int, _ bound: inout Bound) -> Int? {
    guard start <= path.count else { return nodes[node].routes.isEmpty ? nil : node }
    var end = start
    while end < path.count, path[end] != UInt8(ascii: "/") { end += 1 }
    for (text, next) in nodes[node].literals where text.count == end - start {
      guard (0..<text.count).allSatisfy({ text[$0] == path[start + $0] }) else { continue }
      if let found = find(path, end + 1, next, &bound) { return found }
    }
    guard let next = nodes[node].parameter, end > start else { return nil }
    bound.append(start..<end)
    if let found = find(path, end + 1, next, &bound) { return found }
    bound.removeLast()
    return nil
  }
}
