internal import Core
internal import HTTP
internal import HTTPServer
internal import StorageAPI
internal import Synchronization

/// Puts an upload of the console into the form that the ingester takes (RFC 7578), while its bytes go through.
struct UploadForward {
  private let boundary: String
  private let head: [UInt8]
  private let source: DocumentSource

  init(_ draft: UploadDraft, from source: DocumentSource, random: any RandomSource) {
    boundary = "artstore-" + Hex.encode(random.bytes(16))
    var text = ""
    for (name, value) in Self.fields(of: draft) {
      text += "--\(boundary)\r\nContent-Disposition: form-data; name=\"\(name)\"\r\n\r\n\(value)\r\n"
    }
    text += "--\(boundary)\r\nContent-Disposition: form-data; name=\"file\"; "
    text += "filename*=UTF-8''\(PercentEncoding.encode(draft.filename))\r\n"
    // Only a media type that is one goes on: what a browser was told may be anything.
    if let type = draft.contentType.flatMap({ MediaType(parsing: $0) }) { text += "Content-Type: \(type)\r\n" }
    head = Array((text + "\r\n").utf8)
    self.source = source
  }

  private static func fields(of draft: UploadDraft) -> [(name: String, value: String)] {
    var fields: [(name: String, value: String)] = [("retention_policy", draft.retention.rawValue)]
    if let description = draft.description { fields.append(("description", description)) }
    if !draft.tags.isEmpty {
      let tags = JSONWriter.document { json in
        json.array { json in for tag in draft.tags { json.string(tag) } }
      }
      fields.append(("tags", String(decoding: tags, as: UTF8.self)))
    }
    if let days = draft.ttlDays { fields.append(("ttl_days", String(days))) }
    return fields
  }

  private enum Step { case head, content, end }

  /// The same request to the ingester's code in this process.
  func request(like original: Request) throws(APIError) -> Request {
    let step = Mutex(Step.head)
    let tail = Array("\r\n--\(boundary)--\r\n".utf8)
    let body = RequestBody(declaredLength: nil) { [head, source] in
      switch step.withLock({ $0 }) {
      case .head:
        step.withLock { $0 = .content }
        return head
      case .content:
        if let chunk = try await source.next() { return chunk }
        step.withLock { $0 = .end }
        return tail
      case .end: return nil
      }
    }
    let target = try RequestHead(
      .post, "/api/v1/files/upload", headers: ["Content-Type": "multipart/form-data; boundary=\(boundary)"])
    return Request(
      head: target, body: body, requestID: original.requestID, trace: original.trace, remote: original.remote)
  }
}
