public import Core
public import Postgres
public import StorageAPI

/// Which files a list shows; nil does not filter.
public struct FileFilter: Sendable {
  public var status: FileStatus?
  public var retentionPolicy: RetentionPolicy?
  public var applianceID: FileID?
  public var uploadedBy: String?
  /// Files a sync did not find are hidden unless asked for.
  public var includesMissing: Bool

  public init(
    status: FileStatus? = nil, retentionPolicy: RetentionPolicy? = nil, applianceID: FileID? = nil,
    uploadedBy: String? = nil, includesMissing: Bool = false
  ) {
    self.status = status
    self.retentionPolicy = retentionPolicy
    self.applianceID = applianceID
    self.uploadedBy = uploadedBy
    self.includesMissing = includesMissing
  }
}

/// Which page of a list: `cursor` wins over `offset`.
public struct PageRequest: Sendable {
  /// 1–1000.
  public var limit: Int
  public var offset: Int
  public var cursor: String?

  public init(limit: Int = 100, offset: Int = 0, cursor: String? = nil) {
    self.limit = limit
    self.offset = offset
    self.cursor = cursor
  }
}

public struct FilePage: Sendable {
  public let entries: [CatalogueEntry]
  /// All that match, without the page's bounds.
  public let total: Int
  /// Counted up to 10,000; beyond it `total` is 10,000 and this false.
  public let totalIsExact: Bool
  public let hasMore: Bool
  public let nextCursor: String?
}

/// How many files, and their bytes.
public struct FileTotals: Sendable, Hashable {
  public var files: Int
  public var bytes: Int
}

extension FileCatalogue {
  private static let totalMax = 10_000

  /// Newest first; stable under concurrent change when paged by cursor. Throws `.decoding` for a cursor not from here.
  public func list(_ filter: FileFilter, _ page: PageRequest) async throws(PostgresError) -> FilePage {
    let conditions = Self.conditions(filter)
    var paged = conditions
    if let cursor = page.cursor {
      guard let place = ListCursor(cursor) else { throw PostgresError(.decoding, "not a cursor of this list") }
      paged.append("(files.uploaded_at, files.file_id) < (\(place.uploadedAt), \(place.id))")
    }
    let limit = min(max(page.limit, 1), 1000)
    let rows = try await pool.query(
      """
      SELECT \(CatalogueEntry.columns) FROM files \(Self.whereClause(paged))
      ORDER BY files.uploaded_at DESC, files.file_id DESC
      LIMIT \(limit + 1) OFFSET \(page.cursor == nil ? max(page.offset, 0) : 0)
      """)
    var entries: [CatalogueEntry] = []
    for row in rows.prefix(limit) { entries.append(try CatalogueEntry(row: row)) }
    let hasMore = rows.count > limit
    let (total, isExact) = try await total(filter, conditions)
    let next = entries.last.map { ListCursor(uploadedAt: $0.record.uploadedAt, id: $0.record.fileID).text }
    return FilePage(
      entries: entries, total: total, totalIsExact: isExact, hasMore: hasMore, nextCursor: hasMore ? next : nil)
  }

  /// Files and bytes by status (`active`, `expired`, `deleted`, `missing`), of one appliance or of all.
  public func totals(owner: FileID? = nil) async throws(PostgresError) -> [String: FileTotals] {
    let condition: Query = if let owner { "WHERE appliance_id = \(owner)" } else { "" }
    let rows = try await pool.query(
      "SELECT status, sum(files)::bigint, sum(bytes)::bigint FROM file_counts \(condition) GROUP BY status")
    var totals: [String: FileTotals] = [:]
    for row in rows {
      totals[try row.decode(0)] = FileTotals(files: try row.decode(1), bytes: try row.decode(2))
    }
    return totals
  }

  private func total(
    _ filter: FileFilter, _ conditions: [Query]
  ) async throws(PostgresError) -> (count: Int, isExact: Bool) {
    if filter.uploadedBy == nil {
      // The counters know it without counting.
      var counted: [Query] = []
      if let status = filter.status {
        counted.append(
          filter.includesMissing ? "status IN (\(status.rawValue), 'missing')" : "status = \(status.rawValue)")
      } else if !filter.includesMissing {
        counted.append("status <> 'missing'")
      }
      if let policy = filter.retentionPolicy { counted.append("retention_policy = \(policy.rawValue)") }
      if let owner = filter.applianceID { counted.append("appliance_id = \(owner)") }
      // A missing file's own status is not in the counters: then it must be counted.
      if !(filter.includesMissing && filter.status != nil) {
        let count: Int = try await pool.query(
          "SELECT coalesce(sum(files), 0)::bigint FROM file_counts \(Self.whereClause(counted))"
        ).scalar()
        return (count, true)
      }
    }
    let count: Int = try await pool.query(
      "SELECT count(*) FROM (SELECT 1 FROM files \(Self.whereClause(conditions)) LIMIT \(Self.totalMax + 1)) AS matches"
    ).scalar()
    return (min(count, Self.totalMax), count <= Self.totalMax)
  }

  private static func conditions(_ filter: FileFilter) -> [Query] {
    var conditions: [Query] = []
    if let status = filter.status { conditions.append("files.status = \(status.rawValue)") }
    if let policy = filter.retentionPolicy { conditions.append("files.retention_policy = \(policy.rawValue)") }
    if let owner = filter.applianceID { conditions.append("files.appliance_id = \(owner)") }
    if let subject = filter.uploadedBy { conditions.append("files.uploaded_by = \(subject)") }
    if !filter.includesMissing { conditions.append("files.missing_since IS NULL") }
    return conditions
  }

  private static func whereClause(_ conditions: [Query]) -> Query {
    guard !conditions.isEmpty else { return "" }
    return "WHERE " + Query.joined(conditions, by: " AND ", empty: "")
  }
}

/// The last row of a page: opaque text for clients.
struct ListCursor {
  let uploadedAt: Timestamp
  let id: FileID

  init(uploadedAt: Timestamp, id: FileID) {
    self.uploadedAt = uploadedAt
    self.id = id
  }

  var text: String {
    let time = UInt64(bitPattern: uploadedAt.microseconds)
    return Base64.url.encode((0..<8).map { UInt8(truncatingIfNeeded: time >> UInt64(56 - $0 * 8)) } + id.bytes)
  }

  init?(_ text: String) {
    guard text.utf8.count <= 64, let bytes = Base64.url.decode(text), bytes.count == 24,
      let id = FileID(bytes: bytes[8...])
    else { return nil }
    let time = bytes.prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    self.init(uploadedAt: Timestamp(microseconds: Int64(bitPattern: time)), id: id)
  }
}

extension FilePage {
  /// Whether `text` is a cursor of this list.
  public static func isCursor(_ text: String) -> Bool { ListCursor(text) != nil }
}
