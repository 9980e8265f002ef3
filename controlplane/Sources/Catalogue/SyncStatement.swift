internal import Core
internal import Postgres

/// The statement that writes a staged page. The bench runs the same one from psql (`Tests/Benchmarks`).
enum SyncStatement {
  /// Unchanged rows are left out before anything is parsed or written: no row version and no WAL for them. A record at
  /// the very position the catalogue has is written again only when its bytes differ (a repair) or a sweep had marked
  /// it missing; a tombstone never becomes a file again that way.
  static func merge(_ page: StagedPage, _ rows: Range<Int>, sweep: SyncSweep?) -> Query {
    let bound = sweep ?? SyncSweep(after: .highest, through: .lowest, position: RowPosition(epoch: 0, lsn: -1))
    return """
      WITH standing AS MATERIALIZED (
        SELECT p.*, files.file_id IS NULL AS is_new, coalesce(files.appliance_id <> \(page.owner), false) AS is_foreign,
          files.file_id IS NULL OR (files.appliance_id = \(page.owner) AND (
            (files.epoch, files.lsn) < (\(page.epoch), p.lsn) OR ((files.epoch, files.lsn) = (\(page.epoch), p.lsn)
              AND NOT p.gone AND (files.missing_since IS NOT NULL
                OR (files.digest_high, files.digest_low) IS DISTINCT FROM (p.digest_high, p.digest_low))
              AND (files.status <> 'deleted' OR p.record LIKE '%"status":"deleted"%')))) AS applies,
          coalesce(\(FileCatalogue.swept(bound, owner: page.owner)), false) AS is_swept
        FROM (SELECT * FROM sync_page WHERE n >= \(rows.lowerBound) AND n < \(rows.upperBound)) AS p
        LEFT JOIN files ON files.file_id = p.file_id
      ), parsed AS MATERIALIZED (
        SELECT file_id, lsn, digest_high, digest_low, record::jsonb AS r FROM standing WHERE applies AND NOT gone
      ), put AS (
        INSERT INTO files (file_id, appliance_id, epoch, lsn, status, original_filename, content_type, size, checksum,
          uploaded_by, uploaded_at, retention_policy, description, tags, ttl_days, expires_at, metadata, digest_high,
          digest_low)
        SELECT file_id, \(page.owner), \(page.epoch), lsn, r->>'status', r->>'original_filename', r->>'content_type',
          (r->>'size')::bigint, decode(r->>'checksum', 'hex'), r->>'uploaded_by', (r->>'uploaded_at')::timestamptz,
          r->>'retention_policy', r->>'description', ARRAY(SELECT jsonb_array_elements_text(r->'tags')),
          (r->>'ttl_days')::integer, (r->>'expires_at')::timestamptz, nullif(r->'metadata', 'null'), digest_high,
          digest_low
        FROM parsed ORDER BY file_id
        ON CONFLICT (file_id) DO UPDATE SET \(FileCatalogue.overwrite) WHERE \(FileCatalogue.mayRepair)
        RETURNING (xmax = 0) AS inserted, status
      ), gone AS (
        INSERT INTO files (file_id, appliance_id, epoch, lsn, status, \(FileCatalogue.blankColumns))
        SELECT file_id, \(page.owner), \(page.epoch), lsn, 'deleted', \(FileCatalogue.blankValues)
        FROM standing WHERE applies AND gone ORDER BY file_id
        ON CONFLICT (file_id) DO UPDATE SET \(FileCatalogue.bury) WHERE \(FileCatalogue.mayOverwrite)
        RETURNING 1
      )
      SELECT (SELECT count(*) FROM put WHERE inserted) AS added,
        (SELECT count(*) FROM put WHERE NOT inserted AND status <> 'deleted') AS updated,
        (SELECT count(*) FROM put WHERE NOT inserted AND status = 'deleted') + (SELECT count(*) FROM gone) AS deleted,
        (SELECT count(*) FROM standing WHERE is_foreign) AS other,
        (SELECT count(*) FROM standing WHERE NOT applies AND NOT is_foreign) AS unchanged,
        greatest((SELECT count(*) FROM files WHERE \(FileCatalogue.swept(bound, owner: page.owner)))
          - (SELECT count(*) FROM standing WHERE is_swept), 0) AS missing
      """
  }
}

extension FileCatalogue {
  /// The rows of `files` a listing page must name: whatever lives inside its bounds, at or below its position.
  static func swept(_ sweep: SyncSweep, owner: FileID) -> Query {
    """
    files.appliance_id = \(owner) AND files.file_id > \(sweep.after) AND files.file_id <= \(sweep.through)
    AND files.missing_since IS NULL AND files.status <> 'deleted'
    AND (files.epoch, files.lsn) <= (\(sweep.position.epoch), \(sweep.position.lsn))
    """
  }
}
