internal import Core
internal import HTTP
internal import HTTPServer
internal import JWT
internal import StorageAPI
internal import Store

/// Records: the listing, one record, its change and its deletion.
struct FileRoutes: Sendable {
  let store: Store

  var routes: [Route] {
    [
      Route(.get, AppliancePaths.files, .scope(.filesRead)) { try await list($0) },
      .atOnce(.get, AppliancePaths.file, .scope(.filesRead)) { try get($0) },
      Route(.patch, AppliancePaths.file, .scope(.filesWrite), bodyLimit: Self.patchBytesMax) { try await patch($0) },
      Route(.delete, AppliancePaths.file, .scope(.filesWrite)) { try await delete($0) },
    ]
  }

  static let patchBytesMax = 16_384

  private func list(_ request: Request) async throws -> Response {
    let ndjson = MediaType("application", "x-ndjson")
    if ndjson.isNamed(inAccept: request.head.combined("accept")) { return try await range(request) }
    let query = QueryReader(request.query)
    try query.allow("limit", "offset", "cursor", "status")
    var wanted = ListQuery()
    wanted.limit = try query.integer("limit", in: 1...1000) ?? 100
    wanted.offset = try query.integer("offset", in: 0...Int(Int32.max)) ?? 0
    wanted.cursor = try query.text("cursor", bytesMax: 200)
    wanted.status = try query.choice("status", StorageAPI.FileStatus.self)
    let page = try await store.list(wanted)
    return .json { json in
      json.key("items")
      json.array { if !page.items.isEmpty { $0.raw(page.items) } }
      json.member("total", page.total)
      json.member("limit", wanted.limit)
      json.member("offset", wanted.cursor == nil ? wanted.offset : 0)
      json.member("has_more", page.hasMore)
      if let next = page.nextCursor { json.member("next_cursor", next) }
    }
  }

  private func range(_ request: Request) async throws -> Response {
    let query = QueryReader(request.query)
    try query.allow("limit", "after_id", "until_id")
    let page = try await store.range(
      after: try query.id("after_id"), until: try query.id("until_id"),
      limit: try query.integer("limit", in: 1...FeedRoutes.limitMax) ?? FeedRoutes.limitDefault)
    return .ndjson(page)
  }

  private func get(_ request: Request) throws -> Response {
    guard let json = try store.recordJSON(try request.fileID) else { throw Self.missing }
    return .json(bytes: json)
  }

  private func patch(_ request: Request) async throws -> Response {
    let id = try request.fileID
    let patch = try FilePatch(members: try await request.json([String: JSONValue].self, limit: Self.patchBytesMax))
    let committed = try await store.update(id, patch, by: request.actor)
    var response = Response.json(bytes: committed.json)
    response.headers[Position.headerName] = committed.position.cursor
    return response
  }

  private func delete(_ request: Request) async throws -> Response {
    let committed = try await store.delete(try request.fileID, by: request.actor)
    return .empty(.noContent, headers: [Position.headerName: committed.position.cursor])
  }

  static var missing: APIError { APIError(.notFound, "there is no file with this id on this appliance") }
}

extension FilePatch {
  /// From a PATCH body: `null` removes, what is left out stays, an unknown member is refused.
  init(members: [String: JSONValue]) throws(APIError) {
    self.init()
    guard !members.isEmpty else {
      throw RecordValidation.refuse("body", "names nothing to change; send description, tags or metadata")
    }
    for (name, value) in members.sorted(by: { $0.key < $1.key }) {
      switch (name, value) {
      case ("description", .null): description = .some(nil)
      case ("description", .string(let text)):
        try RecordValidation.description(text)
        description = .some(text)
      case ("tags", .null): tags = []
      case ("tags", .array(let values)):
        let list = values.compactMap { if case .string(let tag) = $0 { tag } else { nil } }
        guard list.count == values.count else { throw RecordValidation.refuse(name, "must be an array of strings") }
        try RecordValidation.tags(list)
        tags = list
      case ("metadata", .null): metadata = .some(nil)
      case ("metadata", .object(let object)):
        try RecordValidation.metadata(object)
        metadata = .some(object)
      case ("description", _), ("tags", _), ("metadata", _):
        throw RecordValidation.refuse(name, "description is a text, tags an array of strings, metadata an object")
      default:
        throw RecordValidation.refuse(
          String(name.prefix(80)), "cannot be changed; only description, tags and metadata can")
      }
    }
  }
}
