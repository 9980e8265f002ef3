internal import Core
internal import HTTP
internal import HTTPServer
internal import JWT
internal import StorageAPI
internal import Store

/// `POST /files/upload`: the document streams into the store, as `multipart/form-data` or as the raw body. Whatever
/// goes wrong,
/// the upload is aborted and nothing stays behind.
struct UploadRoute: Sendable {
  let store: Store
  let fileBytesMax: Int

  var routes: [Route] {
    [Route(.post, AppliancePaths.upload, .scope(.filesWrite), bodyLimit: .max) { try await answer($0) }]
  }

  func answer(_ request: Request) async throws -> Response {
    let type = request.head.header("content-type")
    // Whether it is a well-formed one is for the boundary's reader to say.
    let isForm = type?.utf8.prefix(10).elementsEqual("multipart/".utf8) { $0 | 0x20 == $1 | 0x20 } ?? false
    let committed = isForm ? try await form(request) : try await raw(request, contentType: type)
    var response = Response.json(.created, bytes: committed.json)
    response.headers[Position.headerName] = committed.position.cursor
    response.headers["Location"] = AppliancePaths.file(committed.record.fileID.description)
    return response
  }

  // MARK: multipart/form-data

  private func form(_ request: Request) async throws -> Committed {
    let boundary = try MultipartReader.boundary(contentType: request.head.header("content-type"))
    if let declared = request.body.declaredLength, declared > fileBytesMax + Self.formOverheadMax { throw tooLarge }
    let body = try CheckedBody(request)
    let reader = try MultipartReader(boundary: boundary) { try await body.next() }
    var fields = UploadFields()
    var started: Started?
    do {
      while let part = try await reader.nextPart() {
        guard part.name == "file" else {
          let text = try await part.collectText(limit: UploadFields.bytesMax)
          try fields.set(part.name, text: text, from: request.principal)
          continue
        }
        guard started == nil else {
          throw RecordValidation.refuse("file", "stands there twice; upload one document at a time")
        }
        let begun = try begin(part, fields, request)
        started = begun
        while let chunk = try await part.nextChunk() { try await begun.upload.write(chunk) }
      }
      guard let started else {
        throw RecordValidation.refuse("file", "the form has no part named file; send the document as one")
      }
      try await body.verify()
      // Fields may have followed the file: the draft is complete only now. An id must not come late, it names the
      // upload.
      if let id = fields.fileID, id != started.upload.id {
        throw RecordValidation.refuse("file_id", "must stand before the file in the form")
      }
      let final = fields.draft(
        filename: started.filename, contentType: started.contentType, request: request,
        declaredSize: started.upload.count)
      return try await started.upload.finish(expected: started.expected, attributes: final)
    } catch {
      started?.upload.abort()
      throw error
    }
  }

  private struct Started {
    let upload: Upload
    let filename: String
    let contentType: String?
    let expected: Checksum?
  }

  private func begin(_ part: MultipartPart, _ fields: UploadFields, _ request: Request) throws(APIError) -> Started {
    guard let filename = part.filename else {
      throw RecordValidation.refuse("file", "the part has no filename in its Content-Disposition; send one")
    }
    try RecordValidation.filename(filename)
    if let type = part.contentType { try RecordValidation.contentType(type) }
    let expected = try DigestFields.agreed([
      try DigestFields.declared(request.head.combined("repr-digest"), name: "Repr-Digest"),
      try DigestFields.declared(part.headers["Repr-Digest"], name: "Repr-Digest"),
      try DigestFields.declared(part.headers["Content-Digest"], name: "Content-Digest"),
    ])
    // The form's length bounds the document's from above by a little: enough to reserve room.
    let size = request.body.declaredLength.map { min($0, fileBytesMax) }
    let draft = fields.draft(filename: filename, contentType: part.contentType, request: request, declaredSize: size)
    return Started(
      upload: try store.beginUpload(draft, once: try request.onceKey), filename: filename,
      contentType: part.contentType, expected: expected)
  }

  /// Room for fields and part headers around the largest document.
  static let formOverheadMax = 1 << 20

  // MARK: Raw body

  private func raw(_ request: Request, contentType: String?) async throws -> Committed {
    let head = request.head
    guard let disposition = head.header("content-disposition").flatMap({ ContentDisposition.parse($0) }),
      let filename = disposition.filename
    else {
      throw RecordValidation.refuse(
        "Content-Disposition", "a raw upload names its document: attachment; filename*=UTF-8''<percent-encoded name>")
    }
    try RecordValidation.filename(filename)
    if let contentType { try RecordValidation.contentType(contentType) }
    var fields = UploadFields()
    if let encoded = head.header("artstore-attributes") {
      guard encoded.utf8.count <= UploadFields.bytesMax, let bytes = Base64.standard.decode(encoded),
        let members = try? JSON.decode([String: JSONValue].self, from: bytes)  // said in the error below
      else {
        throw RecordValidation.refuse("ArtStore-Attributes", "must be base64 of a JSON object of at most 6 KiB")
      }
      try fields.set(attributes: members, from: request.principal)
    }
    let expected = try DigestFields.agreed([
      try DigestFields.declared(head.combined("repr-digest"), name: "Repr-Digest"),
      try DigestFields.declared(head.combined("content-digest"), name: "Content-Digest"),
    ])
    if let declared = request.body.declaredLength, declared > fileBytesMax { throw tooLarge }
    let draft = fields.draft(
      filename: filename, contentType: contentType, request: request, declaredSize: request.body.declaredLength)
    let upload = try store.beginUpload(draft, once: try request.onceKey)
    do {
      while let chunk = try await request.body.nextAligned() { try await upload.write(chunk) }
      return try await upload.finish(expected: expected)
    } catch {
      upload.abort()
      throw error
    }
  }

  private var tooLarge: APIError {
    APIError(.fileTooLarge, "the document is larger than the \(fileBytesMax) bytes this appliance takes; split it")
  }
}
