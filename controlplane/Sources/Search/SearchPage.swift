internal import Catalogue
internal import Core
internal import Postgres
internal import StorageAPI

/// One page of a search as statements: the order, where it begins, and how the next one is found.
struct SearchPage {
  private let request: SearchRequest
  private let conditions: SearchConditions
  private let cursor: SearchCursor?

  init(_ request: SearchRequest, _ conditions: SearchConditions, _ cursor: SearchCursor?) {
    self.request = request
    self.conditions = conditions
    self.cursor = cursor
  }

  private var isRanked: Bool { request.sortBy == .relevance && conditions.rank != nil }

  /// All matches first, then the order: right for few.
  var fenced: Query {
    let bound: Query = isRanked ? "ORDER BY uploaded_at DESC LIMIT \(SearchIndex.rankedMax)" : ""
    return """
      WITH files AS MATERIALIZED (SELECT * FROM files \(conditions.clause) \(bound))
      SELECT \(CatalogueEntry.columns), \(rank) AS rank FROM files \(after) ORDER BY \(order) \(window)
      """
  }

  /// In the order of its index until the page is full: right for many. Ranking has no index.
  var ordered: Query {
    if isRanked { return fenced }
    var all = conditions.all
    if let place { all.append(place) }
    let clause: Query = "WHERE " + Query.joined(all, by: " AND ", empty: "true")
    return "SELECT \(CatalogueEntry.columns), \(rank) AS rank FROM files \(clause) ORDER BY \(order) \(window)"
  }

  func cursor(after record: FileRecord) -> SearchCursor {
    switch request.sortBy {
    case .relevance where isRanked: SearchCursor(request, skipped: skipped + request.limit)
    case .relevance, .uploadedAt: SearchCursor(request, value: record.uploadedAt.description, id: record.fileID)
    case .originalFilename: SearchCursor(request, value: record.originalFilename, id: record.fileID)
    case .size: SearchCursor(request, value: String(record.size), id: record.fileID)
    }
  }

  private var skipped: Int { cursor?.skipped ?? (cursor == nil ? request.offset : 0) }

  private var rank: Query {
    isRanked ? (conditions.rank ?? "NULL::float8") : "NULL::float8"
  }

  private var order: Query {
    let direction: Query = request.ascending ? "ASC" : "DESC"
    return switch request.sortBy {
    case .relevance where isRanked: "rank DESC, files.uploaded_at DESC, files.file_id DESC"
    case .relevance, .uploadedAt: "files.uploaded_at \(direction), files.file_id \(direction)"
    case .originalFilename: "files.name_lower \(direction), files.file_id \(direction)"
    case .size: "files.size \(direction), files.file_id \(direction)"
    }
  }

  /// The rows after the cursor.
  private var place: Query? {
    guard let cursor, let value = cursor.value, let id = cursor.id else { return nil }
    let comparison: Query = request.ascending ? ">" : "<"
    switch request.sortBy {
    case .relevance, .uploadedAt:
      guard let time = Timestamp(value) else { return nil }
      return "(files.uploaded_at, files.file_id) \(comparison) (\(time), \(id))"
    case .originalFilename:
      return "(files.name_lower, files.file_id) \(comparison) (lower(\(value)), \(id))"
    case .size:
      guard let size = Int(value) else { return nil }
      return "(files.size, files.file_id) \(comparison) (\(size), \(id))"
    }
  }

  private var after: Query { place.map { "WHERE \($0)" } ?? "" }

  /// One row more than the page, to know whether there is another.
  private var window: Query { "LIMIT \(request.limit + 1) OFFSET \(skipped)" }
}
