internal import Core
internal import HTTP
internal import HTTPServer
internal import StorageAPI

extension Console {
  var fileRoutes: [Route] {
    [
      page("/files") { visit in try await search(visit) },
      page("/files/upload", write: true) { visit in visit.html(visit.view.uploadPage()) },
      Route(.post, "/files/upload", .session(write: true), bodyLimit: .max) { request in
        try await answer(request) { visit in try await upload(visit) }
      },
      page("/files/{id}") { visit in
        visit.html(visit.view.filePage(try await file(visit), notice: visit.notice))
      },
      Route(.get, "/files/{id}/download", .session(write: false)) { request in
        try await answer(request, finish: Response.withDocumentHeaders) { visit in
          try await files.download(try Self.fileID(visit), request: visit.request, actor: visit.actor)
        }
      },
      page("/files/{id}/delete", write: true) { visit in
        visit.html(visit.view.deleteFilePage(try await file(visit)))
      },
      write("/files/{id}/delete") { visit, _ in
        let file = try await file(visit)
        do {
          try await files.delete(file.record.fileID, request: visit.request, actor: visit.actor)
        } catch {
          let failure = try Failure(showing: error)
          return visit.html(visit.view.deleteFilePage(file, failure: failure), failing: failure)
        }
        return visit.redirect("/files", .deleted)
      },
    ]
  }

  private static func fileID(_ visit: Visit) throws(APIError) -> FileID {
    guard let id = FileID(visit.request.parameter("id")) else {
      throw APIError(.notFound, "there is no such document")
    }
    return id
  }

  private func file(_ visit: Visit) async throws -> FileDetails {
    guard let file = try await files.file(try Self.fileID(visit), actor: visit.actor) else {
      throw APIError(.notFound, "there is no such document")
    }
    return file
  }

  private func search(_ visit: Visit) async throws -> Response {
    let query = FileQuery { visit.request.query[$0] }
    var results: FileResults?
    var failure: Failure?
    do {
      results = try await files.search(query, actor: visit.actor)
    } catch {
      failure = try Failure(showing: error)
    }
    let status = failure?.status ?? .ok
    if visit.wantsPart("results") {
      var response = visit.html(visit.view.resultsPart(query, results: results, failure: failure), status)
      response.headers["HX-Push-Url"] = query.link.text
      return response
    }
    return visit.html(
      visit.view.filesPage(query, results: results, notice: visit.notice, failure: failure), status)
  }

  /// One document. The fields come before the bytes, so that nothing has to be held: console.js and the form's own
  /// order see to it.
  private func upload(_ visit: Visit) async throws -> Response {
    let isScript = visit.request.wantsJSON
    do {
      let record = try await receive(visit)
      let link: Link = "/files/\(record.fileID)"
      guard isScript else { return visit.redirect(link, .uploaded) }
      return .json(.created) { json in
        json.member("file_id", record.fileID.description)
        json.member("link", link.text)
      }
    } catch {
      let failure = try Failure(showing: error)
      guard isScript else { return visit.html(visit.view.uploadPage(failure: failure), failing: failure) }
      let language = visit.view.language
      let parts = [failure.title(in: language), failure.message(in: language)].compactMap { $0 }
      return .json(failure.status) { $0.member("message", parts.joined(separator: ": ")) }
    }
  }

  private func receive(_ visit: Visit) async throws -> FileRecord {
    let request = visit.request
    let boundary = try MultipartReader.boundary(contentType: request.head.header("Content-Type"))
    let reader = try MultipartReader(boundary: boundary) { try await request.body.next() }
    var fields: [String: String] = [:]
    while let part = try await reader.nextPart() {
      guard part.name == "file" else {
        fields[part.name] = try await part.collectText(limit: 8192)
        continue
      }
      let token = request.head.header(CSRF.headerName) ?? fields[CSRF.fieldName]
      guard CSRF.matches(token, visit.session.csrfToken) else { throw FormProblem.foreign }
      let draft = try Self.draft(fields, part)
      return try await files.upload(draft, from: DocumentSource(part), request: request, actor: visit.actor)
    }
    throw FormProblem(text: .chooseFileFirst)
  }

  private static func draft(_ fields: [String: String], _ part: MultipartPart) throws(FormProblem) -> UploadDraft {
    var draft = UploadDraft()
    // Browsers escape exactly these three in a form's file names (WHATWG HTML, multipart/form-data).
    draft.filename = (part.filename ?? "").replacing("%22", with: "\"").replacing("%0D", with: "\r")
      .replacing("%0A", with: "\n")
    guard !draft.filename.isEmpty else { throw FormProblem(text: .chooseFileFirst) }
    draft.contentType = part.contentType
    draft.description = fields["description"].map(\.trimmed).flatMap { $0.isEmpty ? nil : $0 }
    draft.tags = (fields["tags"] ?? "").split(separator: ",").map { String($0).trimmed }.filter { !$0.isEmpty }
    draft.retention = fields["retention_policy"].flatMap { RetentionPolicy(rawValue: $0) } ?? .temporary
    if draft.retention == .temporary, let days = fields["ttl_days"]?.trimmed, !days.isEmpty {
      guard let value = Int(days), (1...365).contains(value) else { throw FormProblem(text: .badTTL) }
      draft.ttlDays = value
    }
    return draft
  }
}

extension Response {
  /// Whatever the document is, a browser must save it and never run it with the console's rights.
  func withDocumentHeaders(_ request: Request) -> Response {
    let disposition = headers["Content-Disposition"] ?? "attachment"
    let cacheControl = headers["Cache-Control"]
    var response = withConsoleHeaders(request)
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response.headers["Content-Disposition"] = disposition.hasPrefix("attachment") ? disposition : "attachment"
    response.headers["Cache-Control"] = cacheControl ?? "private, no-store"
    return response
  }
}
