public import Core
public import Postgres

/// What a full listing says is not there. Only rows at or below the page's position, inside its bounds, count.
public struct SyncSweep: Sendable {
  /// Exclusive lower and inclusive upper bound of the ids the page covers.
  public var after: FileID
  public var through: FileID
  /// The position the page stands for.
  public var position: RowPosition
  /// How many may still be marked; beyond it nothing is marked and the sweep counts as held. 0 only reports.
  public var budget: Int

  public init(after: FileID, through: FileID, position: RowPosition, budget: Int) {
    self.after = after
    self.through = through
    self.position = position
    self.budget = budget
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
  /// Rows the listing did not have, marked or not.
  public var missing = 0
  /// Those of them that were marked.
  public var marked = 0
  /// Lines that were refused, by us or by PostgreSQL.
  public var rejected = 0

  public init() {}

  public static func += (a: inout SyncCounts, b: SyncCounts) {
    a.added += b.added
    a.updated += b.updated
    a.deleted += b.deleted
    a.unchanged += b.unchanged
    a.foreign += b.foreign
    a.missing += b.missing
    a.marked += b.marked
    a.rejected += b.rejected
  }
}

extension FileCatalogue {
  /// Applies one page inside the caller's transaction: COPY into a staging table, upsert of what differs, then the
  /// sweep.
  /// Lines PostgreSQL refuses are found by halving and counted as rejected; the rest of the page is applied.
  public func apply(
    _ rows: [SyncRow], owner: FileID, epoch: Int64, sweep: SyncSweep?, on connection: PostgresConnection
  ) async throws -> SyncCounts {
    try await connection.script(
      """
      CREATE TEMP TABLE IF NOT EXISTS sync_page (\(Self.pageColumns));
      CREATE TEMP TABLE IF NOT EXISTS sync_ids (id uuid)
      """
    )
    try await connection.script("TRUNCATE sync_page, sync_ids")
    var counts = try await applyHalving(rows[...], owner: owner, epoch: epoch, on: connection)
    guard let sweep else { return counts }
    // The sweep needs every id the page named, also those of refused lines: what is listed is not missing.
    try await copy(rows.map { Array("\($0.fileID)\n".utf8) }, into: "sync_ids (id)", on: connection)
    try await self.sweep(sweep, owner: owner, counts: &counts, on: connection)
    return counts
  }

  static let pageColumns = """
    is_delete boolean, lsn bigint, file_id uuid, status text, original_filename text, content_type text, size bigint,
    checksum bytea, uploaded_by text, uploaded_at timestamptz, retention_policy text, description text, tags text[],
    ttl_days integer, expires_at timestamptz, metadata jsonb
    """

  private func applyHalving(
    _ rows: ArraySlice<SyncRow>, owner: FileID, epoch: Int64, on connection: PostgresConnection
  ) async throws -> SyncCounts {
    guard !rows.isEmpty else { return SyncCounts() }
    do {
      return try await connection.transaction { connection in
        try await connection.script("TRUNCATE sync_page")
        let chunks = rows.map { row in
          var bytes: [UInt8] = []
          row.appendCopyText(to: &bytes)
          return bytes
        }
        try await copy(chunks, into: "sync_page", on: connection)
        return try await merge(owner: owner, epoch: epoch, on: connection)
      }
    } catch let error as PostgresError where Self.isAboutData(error) {
      guard rows.count > 1 else {
        var counts = SyncCounts()
        counts.rejected = 1
        return counts
      }
      let middle = rows.startIndex + rows.count / 2
      var counts = try await applyHalving(rows[..<middle], owner: owner, epoch: epoch, on: connection)
      counts += try await applyHalving(rows[middle...], owner: owner, epoch: epoch, on: connection)
      return counts
    }
  }

  /// Data exception, constraint violation, program limit exceeded (SQLSTATE classes 22, 23, 54).
  private static func isAboutData(_ error: PostgresError) -> Bool {
    guard let state = error.sqlState else { return false }
    return state.hasPrefix("22") || state.hasPrefix("23") || state.hasPrefix("54")
  }

  private func copy(_ rows: [[UInt8]], into target: String, on connection: PostgresConnection) async throws {
    var next = 0
    _ = try await connection.copyIn(Query(unsafeRaw: "COPY \(target) FROM STDIN")) {
      guard next < rows.count else { return nil }
      var chunk: [UInt8] = []
      while next < rows.count, chunk.count < 65_536 {
        chunk += rows[next]
        next += 1
      }
      return chunk
    }
  }

  /// Unchanged rows are left out before anything is written: no row version and no WAL for them.
  private func merge(
    owner: FileID, epoch: Int64, on connection: PostgresConnection
  ) async throws(PostgresError) -> SyncCounts {
    let row = try await connection.query(
      """
      WITH latest AS MATERIALIZED (
        SELECT DISTINCT ON (file_id) * FROM sync_page ORDER BY file_id, lsn DESC
      ), standing AS MATERIALIZED (
        SELECT latest.*, files.file_id IS NULL AS is_new, coalesce(files.appliance_id <> \(owner), false) AS is_foreign,
          files.file_id IS NULL OR (files.appliance_id = \(owner) AND (
            (files.epoch, files.lsn) < (\(epoch), latest.lsn) OR (files.missing_since IS NOT NULL
              AND NOT latest.is_delete AND (files.epoch, files.lsn) = (\(epoch), latest.lsn)))) AS applies
        FROM latest LEFT JOIN files ON files.file_id = latest.file_id
      ), put AS (
        INSERT INTO files (file_id, appliance_id, epoch, lsn, status, original_filename, content_type, size, checksum,
          uploaded_by, uploaded_at, retention_policy, description, tags, ttl_days, expires_at, metadata)
        SELECT file_id, \(owner), \(epoch), lsn, status, original_filename, content_type, size, checksum, uploaded_by,
          uploaded_at, retention_policy, description, tags, ttl_days, expires_at, metadata
        FROM standing WHERE applies AND NOT is_delete ORDER BY file_id
        ON CONFLICT (file_id) DO UPDATE SET \(Self.overwrite) WHERE \(Self.mayOverwrite)
        RETURNING (xmax = 0) AS inserted, status
      ), gone AS (
        INSERT INTO files (file_id, appliance_id, epoch, lsn, status, \(Self.blankColumns))
        SELECT file_id, \(owner), \(epoch), lsn, 'deleted', \(Self.blankValues)
        FROM standing WHERE applies AND is_delete ORDER BY file_id
        ON CONFLICT (file_id) DO UPDATE SET status = 'deleted', epoch = excluded.epoch, lsn = excluded.lsn,
          missing_since = NULL, changed_at = now()
        WHERE \(Self.mayOverwrite)
        RETURNING 1
      )
      SELECT (SELECT count(*) FROM put WHERE inserted) AS added,
        (SELECT count(*) FROM put WHERE NOT inserted AND status <> 'deleted') AS updated,
        (SELECT count(*) FROM put WHERE NOT inserted AND status = 'deleted') + (SELECT count(*) FROM gone) AS deleted,
        (SELECT count(*) FROM standing WHERE is_foreign) AS other,
        (SELECT count(*) FROM standing WHERE NOT applies AND NOT is_foreign) AS unchanged
      """, timeout: .seconds(120)
    ).first
    var counts = SyncCounts()
    guard let row else { return counts }
    counts.added = try row.decode("added")
    counts.updated = try row.decode("updated")
    counts.deleted = try row.decode("deleted")
    counts.foreign = try row.decode("other")
    counts.unchanged = try row.decode("unchanged")
    return counts
  }

  private func sweep(
    _ sweep: SyncSweep, owner: FileID, counts: inout SyncCounts, on connection: PostgresConnection
  ) async throws(PostgresError) {
    let absent: Query = """
      files.appliance_id = \(owner) AND files.file_id > \(sweep.after) AND files.file_id <= \(sweep.through)
      AND files.missing_since IS NULL AND files.status <> 'deleted'
      AND (files.epoch, files.lsn) <= (\(sweep.position.epoch), \(sweep.position.lsn))
      AND NOT EXISTS (SELECT 1 FROM sync_ids WHERE sync_ids.id = files.file_id)
      """
    counts.missing = try await connection.query("SELECT count(*) FROM files WHERE \(absent)", timeout: .seconds(120))
      .scalar()
    guard counts.missing > 0, counts.missing <= sweep.budget else { return }
    counts.marked = try await connection.query(
      "UPDATE files SET missing_since = now(), changed_at = now() WHERE \(absent)", timeout: .seconds(120)
    ).affected
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
