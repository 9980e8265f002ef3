internal import Core
internal import HTTP
internal import HTTPServer
internal import JWT
internal import StorageAPI
internal import Store

/// `GET /files/{id}/download`: the bytes, whole or by ranges, under conditions (RFC 9110 §13, §14).
struct DownloadRoute: Sendable {
  let store: Store
  let random: any RandomSource

  var routes: [Route] {
    [.atOnce(.get, AppliancePaths.download, .scope(.filesRead)) { try answer($0) }]
  }

  func answer(_ request: Request) throws -> Response {
    let answer = try store.prepared(try request.fileID) { (stored) throws(APIError) in
      try PreparedDocument(stored, in: store)
    }
    guard let document = answer as? PreparedDocument else {
      throw APIError(.internalError, "the document cannot be read; the storage's operator has to look at it")
    }
    // Ranges are defined for GET alone (RFC 9110 §14.2).
    var isRanged = request.method == .get
    if request.head.hasConditions {
      let conditions = Conditions(request.head)
      switch conditions.evaluate(etag: document.tag, lastModified: document.lastModified, method: request.method) {
      case .notModified: return .empty(.notModified, headers: document.headers)
      case .preconditionFailed:
        throw APIError(.preconditionFailed, "the document is not the one that If-Match or If-Unmodified-Since names")
      case .proceed: break
      }
      isRanged = isRanged && conditions.honoursRange(etag: document.tag, lastModified: document.lastModified)
    }
    let range = isRanged ? request.head.combined("range") : nil
    switch RangeRequest.parse(range, size: document.size) {
    case .none: return Response(.ok, headers: document.bodyHeaders, body: document.source.slice(0, document.size))
    case .single(let range):
      var response = Response(
        .partialContent, headers: document.bodyHeaders, body: document.source.slice(range.first, range.count))
      response.headers.append("Content-Range", range.contentRange(of: document.size))
      return response
    case .multi(let ranges): return several(ranges, document)
    case .unsatisfiable:
      throw APIError(
        .invalidRange, "the document has \(document.size) bytes; ask for a range inside it",
        headers: ["Content-Range": RangeRequest.unsatisfiedContentRange(size: document.size)])
    }
  }

  /// RFC 9110 §14.6.
  private func several(_ ranges: [ByteRange], _ document: PreparedDocument) -> Response {
    let boundary = "artstore-\(Hex.encode(random.bytes(12)))"
    let heads = ranges.map { range in
      Array(
        """
        \r\n--\(boundary)\r\nContent-Type: \(document.contentType)\r
        Content-Range: \(range.contentRange(of: document.size))\r\n\r\n
        """.utf8)
    }
    let tail = Array("\r\n--\(boundary)--\r\n".utf8)
    let length = heads.map(\.count).reduce(0, +) + ranges.map(\.count).reduce(0, +) + tail.count
    var response = Response(
      .partialContent, headers: document.headers,
      body: .stream(length: length) { writer in
        for (head, range) in zip(heads, ranges) {
          try await writer.write(head)
          try await document.source.write(range.first, range.count, to: writer)
        }
        try await writer.write(tail)
      })
    response.headers["Content-Type"] = "multipart/byteranges; boundary=\(boundary)"
    return response
  }
}
