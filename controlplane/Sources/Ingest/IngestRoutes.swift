internal import Core
internal import HTTP
public import HTTPServer
internal import JWT
internal import StorageAPI

/// The ingester's part of the contract.
public func ingestRoutes(_ ingest: IngestService) -> [Route] {
  [
    Route(.post, "/api/v1/files/upload", .scope(.filesWrite), bodyLimit: .max) { request in
      let record = try await ingest.upload(request, author: request.principal.author)
      return .json(.created, bytes: record.json)
    },
    Route(.post, "/api/v1/files/batch/upload", .scope(.filesWrite), bodyLimit: .max) { request in
      let results = try await ingest.uploadBatch(request, author: request.principal.author)
      return batchAnswer(results)
    },
    Route(.delete, "/api/v1/files/{id}", .scope(.filesWrite)) { request in
      guard let id = FileID(request.parameter("id")) else {
        throw APIError(.validation, "the id in the path is not a UUID")
      }
      try await ingest.delete(id, author: request.principal.author, trace: request.trace)
      return .empty(.noContent)
    },
  ]
}

private func batchAnswer(_ results: [BatchResult]) -> Response {
  .json(.multiStatus) { json in
    json.key("results")
    json.array { json in
      for result in results {
        json.object { json in
          json.member("filename", result.filename)
          switch result.outcome {
          case .success(let id):
            json.member("status", "success")
            json.member("file_id", id.description)
          case .failure(let error):
            json.member("status", "error")
            json.key("error")
            json.object { json in
              json.member("code", error.code.rawValue)
              json.member("message", error.message)
            }
          }
        }
      }
    }
    let failures = results.filter { if case .failure = $0.outcome { true } else { false } }.count
    json.key("summary")
    json.object { json in
      json.member("total", results.count)
      json.member("succeeded", results.count - failures)
      json.member("failed", failures)
    }
  }
}
