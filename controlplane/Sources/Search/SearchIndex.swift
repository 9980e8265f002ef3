internal import Catalogue
internal import Core
internal import HTTP
public import Postgres
internal import StorageAPI

/// Finds documents in the catalogue. No statement runs longer than 900 ms: what is not ready by then is left out of the
/// answer, which says so.
public struct SearchIndex: Sendable {
  /// Totals are counted so far and no further.
  public static let totalMax = 10_000
  /// Ranking looks at so many of the newest matches.
  public static let rankedMax = 2_000
  private static let statementTimeout = Duration.milliseconds(900)
  private static let facetValuesMax = 20

  private let pool: PostgresPool

  public init(pool: PostgresPool) { self.pool = pool }

  /// One page. Throws `VALIDATION_ERROR` for a cursor of another search, `TIMEOUT` when not even the page came in time.
  public func search(_ request: SearchRequest) async throws -> SearchAnswer {
    let conditions = SearchConditions(request)
    let cursor = try request.cursor.map { text in
      guard let cursor = SearchCursor(text, for: request) else {
        throw APIError(.validation, "cursor is not from a search in this order; start again without it")
      }
      return cursor
    }
    var answer = SearchAnswer()
    answer.limit = request.limit
    answer.offset = cursor == nil ? request.offset : 0
    let total = try await inTime { try await count(conditions) }
    if let total {
      answer.total = min(total, Self.totalMax)
      answer.totalIsExact = total <= Self.totalMax
    } else {
      answer.totalIsExact = false
      answer.omitted.append("total")
    }
    try await fill(&answer, request, conditions, cursor, isSmall: (total ?? .max) <= Self.totalMax)
    if total == nil { answer.total = answer.offset + answer.items.count }
    for facet in request.facets {
      if let values = try await inTime({ try await count(facet, conditions) }) {
        answer.facets.append((facet, values))
      } else {
        answer.omitted.append("facets.\(facet.rawValue)")
      }
    }
    return answer
  }

  /// File names that begin with `text`, each once, in alphabetical order.
  public func suggestions(_ text: String, limit: Int = 10) async throws -> [String] {
    guard !text.isEmpty else { return [] }
    let pattern = SearchConditions.escaped("artstore_normalise(\(text))")
    let rows = try await inTime {
      try await pool.query(
        """
        SELECT DISTINCT ON (files.name_normal) files.original_filename FROM files
        WHERE files.name_normal LIKE \(pattern) || '%' AND files.status = 'active' AND files.missing_since IS NULL
        ORDER BY files.name_normal LIMIT \(limit)
        """, timeout: Self.statementTimeout)
    }
    return try (rows.map(Array.init) ?? []).map { row in try row.decode(0) }
  }

  private func fill(
    _ answer: inout SearchAnswer, _ request: SearchRequest, _ conditions: SearchConditions, _ cursor: SearchCursor?,
    isSmall: Bool
  ) async throws {
    let page = SearchPage(request, conditions, cursor)
    // A few matches are fetched first and sorted then; many are walked in the order's index. The planner, which cannot
    // know how many a word has, would sometimes walk the index for a rare word.
    var rows = try await inTime {
      try await pool.query(isSmall ? page.fenced : page.ordered, timeout: Self.statementTimeout)
    }
    if rows == nil, !isSmall {
      rows = try await inTime { try await pool.query(page.fenced, timeout: Self.statementTimeout) }
    }
    guard let rows else {
      throw APIError(.timeout, "the search took too long; narrow it with more words or filters")
    }
    for row in rows.prefix(request.limit) {
      let record = try CatalogueEntry(row: row).record
      answer.items.append(SearchAnswer.Item(record: record, rank: try row.decode("rank")))
    }
    answer.hasMore = rows.count > request.limit
    if answer.hasMore, let last = answer.items.last { answer.nextCursor = try page.cursor(after: last.record).text }
  }

  private func count(_ conditions: SearchConditions) async throws(PostgresError) -> Int {
    try await pool.query(
      "SELECT count(*) FROM (SELECT 1 FROM files \(conditions.clause) LIMIT \(Self.totalMax + 1)) AS matches",
      timeout: Self.statementTimeout
    ).scalar()
  }

  private func count(
    _ facet: SearchRequest.Facet, _ conditions: SearchConditions
  ) async throws(PostgresError) -> [SearchAnswer.FacetValue] {
    let value: Query =
      switch facet {
      case .contentType: "content_type"
      case .retentionPolicy: "retention_policy"
      case .uploadedBy: "uploaded_by"
      case .tags: "unnest(tags)"
      case .fileExtension: "coalesce(substring(name_lower FROM '[.]([^.]{1,32})$'), '')"
      }
    let rows = try await pool.query(
      """
      SELECT value, count(*) FROM (
        SELECT \(value) AS value FROM (SELECT * FROM files \(conditions.clause) LIMIT \(Self.totalMax)) AS matches
      ) AS values GROUP BY value ORDER BY count(*) DESC, value LIMIT \(Self.facetValuesMax)
      """, timeout: Self.statementTimeout)
    var values: [SearchAnswer.FacetValue] = []
    for row in rows { values.append(SearchAnswer.FacetValue(value: try row.decode(0), count: try row.decode(1))) }
    return values
  }

  /// Nil when the statement was stopped because it took too long.
  private func inTime<R>(_ work: () async throws -> R) async throws -> R? {
    do {
      return try await work()
    } catch let error as PostgresError where error.isStatementTimeout {
      return nil
    }
  }
}
