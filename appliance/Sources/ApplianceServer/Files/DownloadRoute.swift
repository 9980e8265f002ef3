internal import Core
internal import Disk
internal import Glibc
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
    [Route(.get, AppliancePaths.download, .scope(.filesRead)) { try answer($0) }]
  }

  func answer(_ request: Request) throws -> Response {
    let document = try store.open(try request.fileID)
    let record = document.record
    let tag = EntityTag(record.checksum.description)
    let headers = Self.headers(record, tag)
    let conditions = Conditions(request.head)
    switch conditions.evaluate(etag: tag, lastModified: record.uploadedAt, method: request.method) {
    case .notModified: return .empty(.notModified, headers: headers)
    case .preconditionFailed:
      throw APIError(.preconditionFailed, "the document is not the one that If-Match or If-Unmodified-Since names")
    case .proceed: break
    }
    let body = try Source(document.body, path: "the document's file")
    // Ranges are defined for GET alone (RFC 9110 §14.2).
    let isRanged = request.method == .get && conditions.honoursRange(etag: tag, lastModified: record.uploadedAt)
    let range = isRanged ? request.head.combined("range") : nil
    switch RangeRequest.parse(range, size: record.size) {
    case .none: return whole(record, headers, body)
    case .single(let range):
      var response = Response(.partialContent, headers: headers, body: body.slice(range.first, range.count))
      response.headers["Content-Type"] = record.contentType
      response.headers["Content-Range"] = range.contentRange(of: record.size)
      return response
    case .multi(let ranges): return several(ranges, record, headers, body)
    case .unsatisfiable:
      throw APIError(
        .invalidRange, "the document has \(record.size) bytes; ask for a range inside it",
        headers: ["Content-Range": RangeRequest.unsatisfiedContentRange(size: record.size)])
    }
  }

  private func whole(_ record: FileRecord, _ headers: HeaderFields, _ body: Source) -> Response {
    var response = Response(.ok, headers: headers, body: body.slice(0, record.size))
    response.headers["Content-Type"] = record.contentType
    return response
  }

  /// RFC 9110 §14.6.
  private func several(
    _ ranges: [ByteRange], _ record: FileRecord, _ headers: HeaderFields, _ body: Source
  ) -> Response {
    let boundary = "artstore-\(Hex.encode(random.bytes(12)))"
    let heads = ranges.map { range in
      Array(
        """
        \r\n--\(boundary)\r\nContent-Type: \(record.contentType)\r
        Content-Range: \(range.contentRange(of: record.size))\r\n\r\n
        """.utf8)
    }
    let tail = Array("\r\n--\(boundary)--\r\n".utf8)
    let length = heads.map(\.count).reduce(0, +) + ranges.map(\.count).reduce(0, +) + tail.count
    var response = Response(
      .partialContent, headers: headers,
      body: .stream(length: length) { writer in
        for (head, range) in zip(heads, ranges) {
          try await writer.write(head)
          try await body.write(range.first, range.count, to: writer)
        }
        try await writer.write(tail)
      })
    response.headers["Content-Type"] = "multipart/byteranges; boundary=\(boundary)"
    return response
  }

  private static func headers(_ record: FileRecord, _ tag: EntityTag) -> HeaderFields {
    [
      "ETag": tag.description,
      "Last-Modified": HTTPDate.format(record.uploadedAt),
      "Accept-Ranges": "bytes",
      "Repr-Digest": DigestFields.field(record.checksum),
      "Content-Disposition": ContentDisposition.attachment(filename: record.originalFilename),
      "Cache-Control": "private, no-cache",
      // A document is never a page of ours, whatever type its uploader named.
      "X-Content-Type-Options": "nosniff",
    ]
  }
}

/// Where a document's bytes come from: memory while they are not in place yet, otherwise its file.
private enum Source: Sendable {
  case bytes([UInt8])
  case file(OpenFile)

  /// The store's handle may close before the answer is sent, so the answer gets a descriptor of its own.
  init(_ body: StoredDocument.Body, path: String) throws(APIError) {
    switch body {
    case .bytes(let bytes): self = .bytes(bytes)
    case .file(let file):
      guard let descriptor = file.descriptor else {
        throw APIError(.internalError, "the document cannot be read", cause: DiskError("dup", path, code: EBADF))
      }
      let own = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
      guard own >= 0 else {
        throw APIError(
          .overloaded, "too many files are open; try again soon", cause: DiskError("dup", path, code: errno))
      }
      self = .file(OpenFile(descriptor: own))
    }
  }

  func slice(_ first: Int, _ count: Int) -> ResponseBody {
    switch self {
    case .bytes(let bytes): .bytes(first == 0 && count == bytes.count ? bytes : Array(bytes[first..<first + count]))
    case .file(let file): .file(FileSlice(file: file, offset: first, count: count))
    }
  }

  func write(_ first: Int, _ count: Int, to writer: any BodyWriter) async throws {
    switch self {
    case .bytes(let bytes): try await writer.write(Array(bytes[first..<first + count]))
    case .file(let file): try await writer.write(FileSlice(file: file, offset: first, count: count))
    }
  }
}
