internal import Crypto
internal import HTTP
internal import HTTPServer
internal import StorageAPI
internal import Store

/// `GET /journal/chain`: what the control plane compares with the heads it has pinned. By certificate alone, because it
/// says nothing about documents.
struct ChainRoute: Sendable {
  let store: Store

  var routes: [Route] {
    [Route(.get, AppliancePaths.journalChain, .certificate([.admin])) { try await chain($0) }]
  }

  private func chain(_ request: Request) async throws -> Response {
    let query = QueryReader(request.query)
    try query.allow("before", "limit")
    let before = try query.integer("before", in: 1...Int.max)
    let limit = try query.integer("limit", in: 1...JournalChain.limitMax) ?? 20
    return try .json(.ok, try await store.chain(before: before.map { UInt64($0) }, limit: limit))
  }
}
