internal import Core
internal import HTTP
internal import HTTPServer
internal import JWT
internal import StorageAPI
internal import Store

/// `/uploads`: documents that come in pieces (tus 1.0). An upload belongs to the subject that began it.
struct ResumableRoutes: Sendable {
  let store: Store
  let fileBytesMax: Int

  var routes: [Route] {
    [
      Route(.options, AppliancePaths.resumableUploads, .open(reason: Self.isPublic)) { _ in abilities },
      Route(.options, AppliancePaths.resumableUpload, .open(reason: Self.isPublic)) { _ in abilities },
      Route(.post, AppliancePaths.resumableUploads, .scope(.filesWrite), bodyLimit: .max) {
        try await answer($0) { try await create($0) }
      },
      Route(.head, AppliancePaths.resumableUpload, .scope(.filesWrite)) { try await answer($0) { try await look($0) } },
      Route(.patch, AppliancePaths.resumableUpload, .scope(.filesWrite), bodyLimit: .max) {
        try await answer($0) { try await append($0) }
      },
      Route(.delete, AppliancePaths.resumableUpload, .scope(.filesWrite)) {
        try await answer($0) { try await remove($0) }
      },
    ]
  }

  private static let isPublic = "says what this server can do, as tus wants it: no more than its documents say"

  private var abilities: Response {
    .empty(
      .noContent,
      headers: [
        "Tus-Resumable": Tus.version, "Tus-Version": Tus.version, "Tus-Extension": Tus.extensions,
        "Tus-Max-Size": String(fileBytesMax), "Tus-Checksum-Algorithm": Tus.algorithms,
      ])
  }

  /// Every answer to a request of ours names the version; those that refuse it are made by `refusal`.
  private func answer(_ request: Request, _ handle: (Request) async throws -> Response) async throws -> Response {
    try Tus.requireVersion(request.head)
    var response = try await handle(request)
    response.headers.append("Tus-Resumable", Tus.version)
    return response
  }

  /// How the appliance refuses: where tus is spoken with its version, also before a handler is asked (401, 403, 404,
  /// 405, 413).
  @Sendable static func refusal(_ error: APIError, _ request: Request) -> Response {
    var response = Response.failure(error, requestID: request.requestID)
    let collection = AppliancePaths.resumableUploads
    if request.path == collection || request.path.hasPrefix(collection + "/") {
      response.headers.append("Tus-Resumable", Tus.version)
    }
    return response
  }

  // MARK: POST

  private func create(_ request: Request) async throws -> Response {
    let head = request.head
    guard head.header("upload-defer-length") == nil else {
      throw RecordValidation.refuse("Upload-Defer-Length", "is not known here; declare Upload-Length")
    }
    guard let length = try Tus.count("upload-length", head) else {
      throw RecordValidation.refuse("Upload-Length", "is missing; declare the length of the whole document in bytes")
    }
    let carriesPiece = try Tus.carriesPiece(request)
    if carriesPiece, let declared = request.body.declaredLength, declared > length {
      throw APIError(.fileTooLarge, "the body is longer than the \(length) bytes that Upload-Length declares")
    }
    let digests = try Tus.digests(head)
    let text = head.combined("upload-metadata") ?? ""
    let draft = try draft(try UploadMetadata(field: text), length, request)
    let upload = try await store.beginResumable(
      draft, length: length, owner: request.principal.author, metadata: text,
      expected: try DigestFields.declared(head.combined("repr-digest"), name: "Repr-Digest"),
      once: try request.onceKey)
    // A repeated creation finds what came before; its own bytes are not needed then, which the offset says.
    let isFresh = carriesPiece && upload.isAtItsBeginning
    let progress =
      isFresh ? try await append(request, to: upload, at: 0, digests) : try await upload.look()
    var response = Response.empty(.created, headers: ["Location": AppliancePaths.resumableUpload("\(upload.id)")])
    describe(progress, upload, in: &response)
    return response
  }

  /// The document's fields, by the names of the form; `filename` and `filetype` as tus clients call them.
  private func draft(_ metadata: UploadMetadata, _ length: Int, _ request: Request) throws(APIError) -> FileDraft {
    var fields = UploadFields()
    var filename: String?
    var contentType: String?
    for (key, value) in metadata.pairs {
      switch key {
      case "filename": filename = value
      case "filetype": contentType = value
      default: try fields.set(key, text: value, from: request.principal)
      }
    }
    guard let filename else {
      throw RecordValidation.refuse("Upload-Metadata", "has no filename; send one: filename <base64 of the name>")
    }
    try RecordValidation.filename(filename)
    if let contentType { try RecordValidation.contentType(contentType) }
    return fields.draft(filename: filename, contentType: contentType, request: request, declaredSize: length)
  }

  // MARK: HEAD, PATCH, DELETE

  private func look(_ request: Request) async throws -> Response {
    let upload = try upload(request)
    let progress = try await upload.look()
    var response = Response.empty(.ok, headers: ["Cache-Control": "no-store"])
    response.headers.append("Upload-Length", String(progress.length))
    if !upload.metadata.isEmpty { response.headers.append("Upload-Metadata", upload.metadata) }
    describe(progress, upload, in: &response)
    return response
  }

  private func append(_ request: Request) async throws -> Response {
    let upload = try upload(request)
    guard try Tus.carriesPiece(request) else {
      throw APIError(.unsupportedType, "send the bytes of an upload with Content-Type: \(Tus.pieceType)")
    }
    guard let offset = try Tus.count("upload-offset", request.head) else {
      throw RecordValidation.refuse("Upload-Offset", "is missing; say where the bytes begin")
    }
    let progress = try await append(request, to: upload, at: offset, try Tus.digests(request.head))
    var response = Response.empty(.noContent)
    describe(progress, upload, in: &response)
    return response
  }

  private func append(
    _ request: Request, to upload: ResumableUpload, at offset: Int, _ digests: [ResumableUpload.PieceDigest]
  ) async throws -> ResumableUpload.Progress {
    let body = request.body
    return try await upload.append(at: offset, declared: body.declaredLength, digests: digests) {
      try await body.next()
    }
  }

  private func remove(_ request: Request) async throws -> Response {
    try await upload(request).remove()
    return .empty(.noContent)
  }

  private func upload(_ request: Request) throws(APIError) -> ResumableUpload {
    // An id of another form names nothing; saying so would help nobody.
    guard let id = FileID(request.parameter("upload_id")) else {
      throw APIError(.notFound, "there is no such upload; its id is the last part of the Location it was given")
    }
    return try store.resumable(id, owner: request.principal.author)
  }

  private func describe(
    _ progress: ResumableUpload.Progress, _ upload: ResumableUpload, in response: inout Response
  ) {
    response.headers.append("Upload-Offset", String(progress.offset))
    response.headers.append("Upload-Expires", HTTPDate.format(progress.expiresAt))
    guard progress.isFinished else { return }
    response.headers.append(Tus.fileID, "\(upload.fileID)")
    if let committed = progress.committed {
      response.headers.append(Position.headerName, committed.position.cursor)
    }
  }
}
