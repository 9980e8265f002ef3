internal import Core
internal import HTTP
internal import HTTPServer
internal import StorageAPI

/// Documents as the pages need them. `ConsoleServices` puts Search, Ingest and Catalogue behind it; tests put a fake.
protocol ConsoleFiles: Sendable {
  func totals() async throws -> DocumentTotals
  func recent(limit: Int) async throws -> [FileRecord]
  func search(_ query: FileQuery, actor: Person) async throws -> FileResults
  /// Nil when there is no such document, or it was deleted.
  func file(_ id: FileID, actor: Person) async throws -> FileDetails?
  /// Streams the document out; understands Range and conditions of the request.
  func download(_ id: FileID, request: Request, actor: Person) async throws -> Response
  /// Streams one document in.
  func upload(
    _ draft: UploadDraft, from source: DocumentSource, request: Request, actor: Person
  ) async throws -> FileRecord
  func delete(_ id: FileID, request: Request, actor: Person) async throws
}

struct DocumentTotals: Sendable {
  var active: Int
  var expired: Int
  var deleted: Int
  /// Of the active documents.
  var bytes: Int
}

struct FileDetails: Sendable {
  var record: FileRecord
  /// The storage element's name: administrators may know it.
  var storageName: String?
  /// It lies where documents may be deleted.
  var isDeletable: Bool
  /// A sync did not find it where it should lie.
  var missingSince: Timestamp?
}

struct UploadDraft: Sendable {
  var filename = ""
  var contentType: String?
  var description: String?
  var tags: [String] = []
  var retention = RetentionPolicy.temporary
  /// 1–365; nil leaves the choice to the server (30).
  var ttlDays: Int?
}

enum SearchMode: String, CaseIterable, Sendable {
  case fulltext, partial, exact
}

enum FileOrder: String, CaseIterable, Sendable {
  case relevance, newest, oldest, name, largest
}

/// What the search form says.
struct FileQuery: Sendable {
  var text = ""
  var mode = SearchMode.fulltext
  var fileExtension: String?
  var tags: [String] = []
  var uploadedBy: String?
  var retention: RetentionPolicy?
  var status = FileStatus.active
  /// Both inclusive.
  var uploadedAfter: Timestamp?
  var uploadedBefore: Timestamp?
  /// Bytes.
  var minSize: Int?
  var maxSize: Int?
  var order = FileOrder.newest
  var cursor: String?
  var limit = 25
}

struct FileResults: Sendable {
  var items: [FileRecord]
  var total: Int
  /// False: there are at least `total`.
  var isExact: Bool
  /// The search ran out of time and shows what it has.
  var isPartial: Bool
  var nextCursor: String?
}
