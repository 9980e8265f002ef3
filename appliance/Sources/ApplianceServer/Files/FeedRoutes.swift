internal import Core
internal import HTTP
internal import HTTPServer
internal import JWT
internal import StorageAPI
internal import Store

/// What a catalogue follows: the change feed and the digest that proves it equal.
struct FeedRoutes: Sendable {
  let store: Store

  static let limitMax = 10_000
  static let limitDefault = 1000
  /// Longer polls would outlive proxies and idle timeouts on the way.
  static let waitSecondsMax = 30

  var routes: [Route] {
    [
      Route(.get, AppliancePaths.changes, .scope(.filesRead)) { try await changes($0) },
      Route(.get, AppliancePaths.digest, .scope(.filesRead)) { try await digest($0) },
    ]
  }

  private func changes(_ request: Request) async throws -> Response {
    let query = QueryReader(request.query)
    try query.allow("after", "limit", "wait")
    let page = try await store.changes(
      after: try query.position("after"),
      limit: try query.integer("limit", in: 1...Self.limitMax) ?? Self.limitDefault,
      wait: .seconds(try query.integer("wait", in: 0...Self.waitSecondsMax) ?? 0))
    return .ndjson(page)
  }

  private func digest(_ request: Request) async throws -> Response {
    let digest = try await store.digest()
    return .json { json in
      json.member("cursor", digest.position.cursor)
      json.key("buckets")
      json.array { json in for bucket in digest.buckets { json.string(bucket) } }
    }
  }
}
