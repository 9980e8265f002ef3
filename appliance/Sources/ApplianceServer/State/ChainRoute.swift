internal import Crypto
internal import HTTP
internal import HTTPServer
internal import JWT
internal import StorageAPI
internal import Store

/// `GET /journal/chain`, `POST /journal/seal`: what the control plane compares with the heads it has pinned, and how it
/// gets a head to pin from a journal that grows slowly. Reading is by certificate alone, because it says nothing about
/// documents.
struct ChainRoute: Sendable {
  let store: Store

  var routes: [Route] {
    [
      Route(.get, AppliancePaths.journalChain, .certificate([.admin])) { try await chain($0) },
      Route(.post, AppliancePaths.journalSeal, .scope(.storageWrite), bodyLimit: 0) { try await seal($0) },
    ]
  }

  private func chain(_ request: Request) async throws -> Response {
    let query = QueryReader(request.query)
    try query.allow("before", "limit", "contents")
    let before = try query.integer("before", in: 1...Int.max)
    let contents = try query.choice("contents", Flag.self) == .true
    let limit = try query.integer("limit", in: 1...JournalChain.limitMax) ?? 20
    let most = contents ? min(limit, JournalChain.contentsLimitMax) : limit
    return try .json(.ok, try await store.chain(before: before.map { UInt64($0) }, limit: most, contents: contents))
  }

  private func seal(_ request: Request) async throws -> Response {
    guard request.principal.peer?.role == .admin else {
      throw APIError(.forbidden, "only the administrator's certificate may have the journal sealed")
    }
    return try .json(.ok, try await store.sealJournal(by: request.actor))
  }

  private enum Flag: String, CaseIterable { case `true`, `false` }
}
