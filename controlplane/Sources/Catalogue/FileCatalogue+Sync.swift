public import Core
public import Postgres

/// What a full listing says is not there. Only rows at or below the page's position, inside its bounds, count.
public struct SyncSweep: Sendable {
  /// Exclusive lower and inclusive upper bound of the ids the page covers.
  public var after: FileID
  public var through: FileID
  /// The position the page stands for.
  public var position: RowPosition

  public init(after: FileID, through: FileID, position: RowPosition) {
    self.after = after
    self.through = through
    self.position = position
  }
}

/// What a page changed.
public struct SyncCounts: Sendable, Hashable {
  public var added = 0
  public var updated = 0
  public var deleted = 0
  public var unchanged = 0
  /// Ids that belong to another appliance: refused.
  public var foreign = 0
  /// Rows the listing did not have; marking them is the caller's decision.
  public var missing = 0
  /// Lines that PostgreSQL refused.
  public var rejected = 0

  public init() {}

  public static func += (a: inout SyncCounts, b: SyncCounts) {
    a.added += b.added
    a.updated += b.updated
    a.deleted += b.deleted
    a.unchanged += b.unchanged
    a.foreign += b.foreign
    a.missing += b.missing
    a.rejected += b.rejected
  }
}

/// A page that lies in the staging table of the transaction it was copied in.
public struct StagedPage: Sendable {
  public let owner: FileID
  public let epoch: Int64
  public let rows: Int
  /// Whether an id stands there more than once: the latest counts.
  public let hasRepeatedIDs: Bool

  public init(owner: FileID, epoch: Int64, rows: Int, hasRepeatedIDs: Bool) {
    self.owner = owner
    self.epoch = epoch
    self.rows = rows
    self.hasRepeatedIDs = hasRepeatedIDs
  }
}

/// Pages of an appliance's feed or listing: COPY of their lines into a staging table, then one statement that writes
/// what differs. Everything happens inside the caller's transaction.
extension FileCatalogue {
  /// Streams rows (`SyncRow.appendCopyText`, numbered from 0, cut anywhere) into the staging table, which is empty at
  /// the beginning of each transaction. Nil ends it; what `next` throws aborts the page.
  public func stage(
    on connection: PostgresConnection, timeout: Duration, _ next: () async throws -> [UInt8]?
  ) async throws -> Int {
    // A temporary table writes no WAL, and emptying it at commit none either. Plans are steered because nothing is
    // known of the table's size: a scan of all files for each page would be the planner's other idea. What it thinks of
    // the costs then is so far off that it would also compile each statement.
    try await connection.script(
      """
      CREATE TEMP TABLE IF NOT EXISTS sync_page (\(Self.pageColumns)) ON COMMIT DELETE ROWS;
      SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL enable_seqscan = off;
      SET LOCAL jit = off; SET LOCAL client_min_messages = error
      """)
    return try await connection.copyIn("COPY sync_page FROM STDIN", timeout: timeout, next: next)
  }

  /// Writes what differs. Lines PostgreSQL refuses are found by halving and counted as rejected; the rest of the page
  /// is applied, and nothing is said to be missing.
  /// - Parameter sweep: for a page of a listing: also count what it does not name.
  public func apply(
    _ page: StagedPage, sweep: SyncSweep?, on connection: PostgresConnection
  ) async throws -> SyncCounts {
    if page.hasRepeatedIDs { try await keepLatest(on: connection) }
    do {
      return try await connection.transaction { connection in
        try await merge(page, 0..<page.rows, sweep: sweep, on: connection)
      }
    } catch let error as PostgresError where Self.isAboutData(error) {
      return try await applyHalving(page, 0..<page.rows, on: connection)
    }
  }

  /// Marks the files that the page which is staged does not name. How many.
  public func markMissing(
    _ sweep: SyncSweep, owner: FileID, on connection: PostgresConnection
  ) async throws(PostgresError) -> Int {
    try await connection.script("SET LOCAL enable_hashjoin = on")
    return try await connection.query(
      """
      UPDATE files SET missing_since = now(), changed_at = now()
      WHERE \(Self.swept(sweep, owner: owner))
        AND NOT EXISTS (SELECT 1 FROM sync_page WHERE sync_page.file_id = files.file_id)
      """, timeout: .seconds(120)
    ).affected
  }

  static let pageColumns = """
    n integer, gone boolean, lsn bigint, file_id uuid, digest_high bigint, digest_low bigint, record text
    """

  private func keepLatest(on connection: PostgresConnection) async throws(PostgresError) {
    try await connection.query(
      """
      DELETE FROM sync_page WHERE n IN (
        SELECT n FROM (
          SELECT n, row_number() OVER (PARTITION BY file_id ORDER BY lsn DESC, n DESC) AS age FROM sync_page) AS ranked
        WHERE age > 1)
      """)
  }

  private func applyHalving(
    _ page: StagedPage, _ rows: Range<Int>, on connection: PostgresConnection
  ) async throws -> SyncCounts {
    do {
      return try await connection.transaction { connection in
        try await merge(page, rows, sweep: nil, on: connection)
      }
    } catch let error as PostgresError where Self.isAboutData(error) {
      guard rows.count > 1 else {
        var counts = SyncCounts()
        counts.rejected = 1
        return counts
      }
      let middle = rows.lowerBound + rows.count / 2
      var counts = try await applyHalving(page, rows.lowerBound..<middle, on: connection)
      counts += try await applyHalving(page, middle..<rows.upperBound, on: connection)
      return counts
    }
  }

  /// Data exception, constraint violation, program limit exceeded (SQLSTATE classes 22, 23, 54).
  private static func isAboutData(_ error: PostgresError) -> Bool {
    guard let state = error.sqlState else { return false }
    return state.hasPrefix("22") || state.hasPrefix("23") || state.hasPrefix("54")
  }

  private func merge(
    _ page: StagedPage, _ rows: Range<Int>, sweep: SyncSweep?, on connection: PostgresConnection
  ) async throws(PostgresError) -> SyncCounts {
    let statement = SyncStatement.merge(page, rows, sweep: sweep)
    var counts = SyncCounts()
    guard let row = try await connection.query(statement, timeout: .seconds(120)).first else { return counts }
    counts.added = try row.decode("added")
    counts.updated = try row.decode("updated")
    counts.deleted = try row.decode("deleted")
    counts.foreign = try row.decode("other")
    counts.unchanged = try row.decode("unchanged")
    counts.missing = try row.decode("missing")
    return counts
  }
}

extension FileCatalogue {
  /// Merges what the indexes still hold aside after many writes, so that searches need not.
  public func tidy(on connection: PostgresConnection) async throws(PostgresError) {
    for index in ["files_search", "files_name_trigram", "files_tags"] {
      try await connection.query("SELECT gin_clean_pending_list(\(index)::regclass)", timeout: .seconds(120))
    }
  }
}
