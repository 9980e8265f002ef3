internal import JWT
internal import Catalogue
internal import Core
internal import HTTP
internal import HTTPServer
internal import Identity
internal import StorageAPI

/// `/api/v1/files` of the admin API: the registry of files. What changes a file goes to its appliance first; what it
/// answers is registered.
struct FileRegistryRoutes: Sendable {
  let registry: FleetRegistry
  let files: FileCatalogue

  var routes: [Route] {
    let base = "/api/v1/files"
    return [
      Route(.get, base, .scope(.adminRead), list),
      Route(.post, base, .scope(.adminWrite), register),
      Route(.get, "\(base)/{id}", .scope(.adminRead)) { request in
        Self.answer(.ok, try await registry.file(try request.id()))
      },
      Route(.put, "\(base)/{id}", .scope(.adminWrite)) { request in
        let id = try request.id()
        let body = try await request.body.collect(limit: 65_536)
        return Self.answer(.ok, try await registry.updateFile(id, body: body, by: request.actor))
      },
      Route(.delete, "\(base)/{id}", .scope(.adminWrite)) { request in
        try await registry.deleteFile(try request.id(), by: request.actor)
        return .empty(.noContent)
      },
    ]
  }

  @Sendable private func list(_ request: Request) async throws -> Response {
    let names: Set<String> = ["status", "retention_policy", "storage_element_id", "uploaded_by", "missing"]
    for name in request.query.names where !names.contains(name) && !["limit", "offset", "cursor"].contains(name) {
      let known = (names.sorted() + ["limit", "offset", "cursor"]).joined(separator: ", ")
      throw APIError(.validation, "\(name.prefix(60)): no such query parameter; there are \(known)")
    }
    let page = PageRequest(
      limit: try ListRequest.integer("limit", in: request.query, range: 1...1000) ?? 100,
      offset: try ListRequest.integer("offset", in: request.query, range: 0...1_000_000_000) ?? 0,
      cursor: request.query["cursor"])
    guard page.cursor.map(FilePage.isCursor) ?? true else {
      throw APIError(.validation, "cursor: not one of this list's; begin again without it")
    }
    let found = try await files.list(try Self.filter(request), page)
    return .json { json in
      json.key("items")
      json.array { json in for entry in found.entries { json.value(entry) } }
      json.member("total", found.total)
      json.member("total_is_exact", found.totalIsExact)
      json.member("limit", page.limit)
      json.member("offset", page.cursor == nil ? page.offset : 0)
      json.member("has_more", found.hasMore)
      if let cursor = found.nextCursor { json.member("next_cursor", cursor) }
    }
  }

  private static func filter(_ request: Request) throws(APIError) -> FileFilter {
    var filter = FileFilter()
    func choice<T: RawRepresentable & CaseIterable>(_ name: String, _ type: T.Type) throws(APIError) -> T?
    where T.RawValue == String {
      guard let text = request.query[name], !text.isEmpty else { return nil }
      guard let value = T(rawValue: text) else {
        throw APIError(.validation, "\(name): must be one of \(T.allCases.map(\.rawValue).joined(separator: ", "))")
      }
      return value
    }
    filter.status = try choice("status", FileStatus.self)
    filter.retentionPolicy = try choice("retention_policy", RetentionPolicy.self)
    filter.uploadedBy = request.query["uploaded_by"].flatMap { $0.isEmpty || $0.utf8.contains(0) ? nil : $0 }
    filter.includesMissing = try request.flag("missing")
    if let text = request.query["storage_element_id"], !text.isEmpty {
      guard let id = FileID(text) else { throw APIError(.validation, "storage_element_id: must be a UUID") }
      filter.applianceID = id
    }
    return filter
  }

  private struct RegisterBody: Decodable {
    var fileID: FileID
    var storageElementID: FileID

    enum CodingKeys: String, CodingKey, CaseIterable {
      case fileID = "file_id"
      case storageElementID = "storage_element_id"
    }
  }

  @Sendable private func register(_ request: Request) async throws -> Response {
    let body = try await request.strictJSON(RegisterBody.self, keys: RegisterBody.CodingKeys.self)
    let entry = try await registry.registerFile(body.fileID, at: body.storageElementID, by: request.actor)
    return Self.answer(.created, entry)
  }

  private static func answer(_ status: HTTPStatus, _ entry: CatalogueEntry) -> Response {
    .json(status, bytes: JSONWriter.document { $0.value(entry) })
  }
}

extension JSONWriter {
  /// A file of the registry: the record, who holds it, and since when it is missing there.
  mutating func value(_ entry: CatalogueEntry) {
    object { json in
      json.members(of: entry.record)
      json.member("storage_element_id", entry.applianceID.description)
      if entry.missingSince != nil { json.member("missing_since", entry.missingSince) }
    }
  }
}
