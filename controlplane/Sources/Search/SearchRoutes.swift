internal import Core
internal import HTTP
public import HTTPServer
internal import JWT
internal import StorageAPI

/// The query role's part of the contract.
public func searchRoutes(_ index: SearchIndex, _ documents: DocumentReader) -> [Route] {
  let readDocument: Route.Handler = { request in
    try await documents.download(try documentID(request), request)
  }
  return [
    Route(.post, "/api/v1/search", .scope(.filesRead)) { request in
      let body = try await request.body.collect(limit: 65_536)
      return .json(bytes: try await index.search(try SearchRequest(json: body)).json)
    },
    Route(.get, "/api/v1/search/suggest", .scope(.filesRead)) { request in
      let text = request.query["q"] ?? ""
      guard text.count <= SearchRequest.queryCharactersMax, !text.unicodeScalars.contains("\0") else {
        throw APIError(.validation, "q must be at most \(SearchRequest.queryCharactersMax) characters without NUL")
      }
      let names = try await index.suggestions(text)
      return .json { json in
        json.key("items")
        json.array { json in for name in names { json.string(name) } }
      }
    },
    Route(.get, "/api/v1/files/{id}", .scope(.filesRead)) { request in
      .json(bytes: try await documents.record(try documentID(request)).json)
    },
    Route(.get, "/api/v1/files/{id}/download", .scope(.filesRead), readDocument),
  ]
}

private func documentID(_ request: Request) throws(APIError) -> FileID {
  guard let id = FileID(request.parameter("id")) else {
    throw APIError(.validation, "the id in the path is not a UUID")
  }
  return id
}
