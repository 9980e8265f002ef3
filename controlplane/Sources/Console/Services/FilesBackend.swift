internal import Catalogue
internal import Core
internal import Fleet
internal import HTTP
internal import HTTPServer
internal import Ingest
internal import Search
internal import StorageAPI

/// The console's view of the documents: found in the catalogue, read and stored through the query's and the ingester's
/// own code, so that the same rules hold here as behind the API.
struct FilesBackend: ConsoleFiles {
  let catalogue: FileCatalogue
  let registry: FleetRegistry
  let index: SearchIndex
  let documents: DocumentReader
  let ingest: IngestService
  let random: any RandomSource

  func totals() async throws -> DocumentTotals {
    let totals = try await catalogue.totals()
    return DocumentTotals(
      active: totals["active"]?.files ?? 0, expired: totals["expired"]?.files ?? 0,
      deleted: totals["deleted"]?.files ?? 0, bytes: totals["active"]?.bytes ?? 0)
  }

  func recent(limit: Int) async throws -> [FileRecord] {
    try await catalogue.list(FileFilter(status: .active), PageRequest(limit: limit)).entries.map(\.record)
  }

  func search(_ query: FileQuery, actor: Person) async throws -> FileResults {
    let answer = try await index.search(SearchRequest(query))
    return FileResults(
      items: answer.items.map(\.record), total: answer.total, isExact: answer.totalIsExact,
      isPartial: !answer.omitted.isEmpty, nextCursor: answer.nextCursor)
  }

  func file(_ id: FileID, actor: Person) async throws -> FileDetails? {
    guard let entry = try await catalogue.entry(id), entry.record.status != .deleted else { return nil }
    let element = try await registry.get(entry.applianceID)
    return FileDetails(
      record: entry.record, storageName: element.name, isDeletable: element.mode.allows(.delete),
      missingSince: entry.missingSince)
  }

  func download(_ id: FileID, request: Request, actor: Person) async throws -> Response {
    try await documents.download(id, request, author: actor.login)
  }

  func upload(
    _ draft: UploadDraft, from source: DocumentSource, request: Request, actor: Person
  ) async throws -> FileRecord {
    let forward = try UploadForward(draft, from: source, random: random).request(like: request)
    return try await ingest.upload(forward, author: actor.login)
  }

  func delete(_ id: FileID, request: Request, actor: Person) async throws {
    try await ingest.delete(id, author: actor.login, trace: request.trace)
  }
}

extension SearchRequest {
  init(_ form: FileQuery) {
    self.init()
    query = form.text.isEmpty ? nil : String(form.text.prefix(Self.queryCharactersMax))
    mode = Mode(rawValue: form.mode.rawValue) ?? .fulltext
    fileExtension = form.fileExtension?.lowercased()
    tags = Array(form.tags.prefix(Self.tagsMax))
    uploadedBy = form.uploadedBy
    retentionPolicy = form.retention
    status = form.status
    sizeMin = form.minSize
    sizeMax = form.maxSize
    uploadedAfter = form.uploadedAfter
    // The form says "until" and means it; the search excludes its end.
    uploadedBefore = form.uploadedBefore.map { $0 + .seconds(1) }
    switch form.order {
    case .relevance: sortBy = .relevance
    case .newest: sortBy = .uploadedAt
    case .oldest: (sortBy, ascending) = (.uploadedAt, true)
    case .name: (sortBy, ascending) = (.originalFilename, true)
    case .largest: sortBy = .size
    }
    limit = form.limit
    cursor = form.cursor
  }
}
