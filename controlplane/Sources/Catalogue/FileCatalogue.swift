public import Core
public import Postgres
public import StorageAPI

/// The registry of files: a derived index of what the appliances hold. All of its SQL is in this file and its facets.
///
/// The rule every write obeys: it applies only if the row is owned by the same appliance and the new position is
/// higher.
/// A row of another appliance is never reassigned; tombstones stay.
public struct FileCatalogue: Sendable {
  let pool: PostgresPool

  public init(pool: PostgresPool) { self.pool = pool }

  /// What became of a write.
  public enum Outcome: Sendable, Hashable {
    case inserted
    case updated
    /// The catalogue knows this position or a later one.
    case stale
    /// The id belongs to another appliance.
    case foreignOwner
  }

  /// Registers the latest state of a file at `position` of the appliance `owner`.
  public func put(
    _ record: FileRecord, owner: FileID, at position: RowPosition
  ) async throws(PostgresError) -> Outcome {
    let metadata = record.metadata.map { JSONValue.object($0) }
    // The appliance writes a record as we do; where it does not, the digest differs and a sync repairs it.
    let digest = RecordDigest(record.fileID, lsn: position.lsn, record: record.json[...])
    let written = try await pool.query(
      """
      INSERT INTO files (file_id, appliance_id, epoch, lsn, status, original_filename, content_type, size, checksum,
        uploaded_by, uploaded_at, retention_policy, description, tags, ttl_days, expires_at, metadata, digest_high,
        digest_low)
      VALUES (\(record.fileID), \(owner), \(position.epoch), \(position.lsn), \(record.status.rawValue),
        \(record.originalFilename), \(record.contentType), \(record.size), \(record.checksum), \(record.uploadedBy),
        \(record.uploadedAt), \(record.retentionPolicy.rawValue), \(record.description), \(record.tags),
        \(record.ttlDays), \(record.expiresAt), \(metadata), \(digest.high), \(digest.low))
      ON CONFLICT (file_id) DO UPDATE SET \(Self.overwrite)
      WHERE \(Self.mayOverwrite)
      RETURNING (xmax = 0) AS inserted
      """)
    if let row = written.first { return try row.decode("inserted") ? .inserted : .updated }
    return try await refusal(record.fileID, owner: owner)
  }

  /// Records that a file is gone from its appliance. An unknown id leaves a tombstone, so that a late registration of
  /// an earlier state is refused.
  public func tombstone(
    _ id: FileID, owner: FileID, at position: RowPosition
  ) async throws(PostgresError) -> Outcome {
    let written = try await pool.query(
      """
      INSERT INTO files (file_id, appliance_id, epoch, lsn, status, \(Self.blankColumns))
      VALUES (\(id), \(owner), \(position.epoch), \(position.lsn), 'deleted', \(Self.blankValues))
      ON CONFLICT (file_id) DO UPDATE SET \(Self.bury)
      WHERE \(Self.mayOverwrite)
      RETURNING (xmax = 0) AS inserted
      """)
    if let row = written.first { return try row.decode("inserted") ? .inserted : .updated }
    return try await refusal(id, owner: owner)
  }

  /// The entry of `id`, tombstones included; nil if the catalogue never saw it.
  public func entry(_ id: FileID) async throws(PostgresError) -> CatalogueEntry? {
    guard let row = try await pool.query("SELECT \(CatalogueEntry.columns) FROM files WHERE file_id = \(id)").first
    else { return nil }
    return try CatalogueEntry(row: row)
  }

  /// Lazy cleanup: marks a file its appliance says it has not, unless a change came in between. Reversible: the next
  /// sync that sees it clears the mark.
  public func markMissing(
    _ id: FileID, owner: FileID, ifStillAt position: RowPosition
  ) async throws(PostgresError) -> Bool {
    try await pool.query(
      """
      UPDATE files SET missing_since = now(), changed_at = now()
      WHERE file_id = \(id) AND appliance_id = \(owner) AND epoch = \(position.epoch) AND lsn = \(position.lsn)
        AND missing_since IS NULL AND status <> 'deleted'
      """
    ).affected > 0
  }

  /// How many files of this appliance were marked missing in the last hour: the bound of lazy cleanup.
  public func markedMissingRecently(owner: FileID) async throws(PostgresError) -> Int {
    try await pool.query(
      "SELECT count(*) FROM files WHERE appliance_id = \(owner) AND missing_since > now() - interval '1 hour'"
    ).scalar()
  }

  /// Forgets every row of an appliance that is being removed. Returns how many.
  public func forget(owner: FileID, on connection: PostgresConnection) async throws(PostgresError) -> Int {
    let count = try await connection.query("DELETE FROM files WHERE appliance_id = \(owner)", timeout: .seconds(600))
      .affected
    try await connection.query("DELETE FROM file_counts WHERE appliance_id = \(owner)")
    return count
  }

  private func refusal(_ id: FileID, owner: FileID) async throws(PostgresError) -> Outcome {
    let row = try await pool.query("SELECT appliance_id FROM files WHERE file_id = \(id)").first
    guard let row else { return .stale }
    return try row.decode(0, as: FileID.self) == owner ? .stale : .foreignOwner
  }
}

extension FileCatalogue {
  /// The right to overwrite `files` with `excluded`: same owner and a higher position, or the very state that a sweep
  /// had marked missing.
  static let mayOverwrite: Query = """
    files.appliance_id = excluded.appliance_id AND ((files.epoch, files.lsn) < (excluded.epoch, excluded.lsn)
      OR (files.missing_since IS NOT NULL AND (files.epoch, files.lsn) = (excluded.epoch, excluded.lsn)))
    """

  /// The same for a page of a feed or listing, which also repairs a record whose bytes are not the appliance's.
  static let mayRepair: Query = """
    files.appliance_id = excluded.appliance_id AND ((files.epoch, files.lsn) < (excluded.epoch, excluded.lsn)
      OR ((files.epoch, files.lsn) = (excluded.epoch, excluded.lsn) AND (files.missing_since IS NOT NULL
        OR (files.digest_high, files.digest_low) IS DISTINCT FROM (excluded.digest_high, excluded.digest_low))
        AND (files.status <> 'deleted' OR excluded.status = 'deleted')))
    """

  static let overwrite: Query = """
    epoch = excluded.epoch, lsn = excluded.lsn, status = excluded.status,
    original_filename = excluded.original_filename, content_type = excluded.content_type, size = excluded.size,
    checksum = excluded.checksum, uploaded_by = excluded.uploaded_by, uploaded_at = excluded.uploaded_at,
    retention_policy = excluded.retention_policy, description = excluded.description, tags = excluded.tags,
    ttl_days = excluded.ttl_days, expires_at = excluded.expires_at, metadata = excluded.metadata,
    missing_since = NULL, digest_high = excluded.digest_high, digest_low = excluded.digest_low, changed_at = now()
    """

  /// A row becomes a tombstone.
  static let bury: Query = """
    status = 'deleted', epoch = excluded.epoch, lsn = excluded.lsn, missing_since = NULL, digest_high = NULL,
    digest_low = NULL, changed_at = now()
    """

  /// What a tombstone without a known record holds.
  static let blankColumns: Query = """
    original_filename, content_type, size, checksum, uploaded_by, uploaded_at, retention_policy
    """
  static let blankValues: Query = """
    '', 'application/octet-stream', 0, decode(repeat('00', 32), 'hex'), '', 'epoch', 'permanent'
    """
}
