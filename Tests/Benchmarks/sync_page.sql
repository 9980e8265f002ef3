-- Written by SyncStatementTests; see there.
CREATE TEMP TABLE IF NOT EXISTS sync_page (
n integer, gone boolean, lsn bigint, file_id uuid, digest_high bigint, digest_low bigint, record text
) ON COMMIT DELETE ROWS;
-- statement
WITH standing AS MATERIALIZED (
  SELECT p.*, files.file_id IS NULL AS is_new, coalesce(files.appliance_id <> @owner@, false) AS is_foreign,
    files.file_id IS NULL OR (files.appliance_id = @owner@ AND (
      (files.epoch, files.lsn) < (@epoch@, p.lsn) OR ((files.epoch, files.lsn) = (@epoch@, p.lsn)
        AND NOT p.gone AND (files.missing_since IS NOT NULL
          OR (files.digest_high, files.digest_low) IS DISTINCT FROM (p.digest_high, p.digest_low))
        AND (files.status <> 'deleted' OR p.record LIKE '%"status":"deleted"%')))) AS applies,
    coalesce(files.appliance_id = @owner@ AND files.file_id > @after@ AND files.file_id <= @through@
AND files.missing_since IS NULL AND files.status <> 'deleted'
AND (files.epoch, files.lsn) <= (@epoch@, @lsn@), false) AS is_swept
  FROM (SELECT * FROM sync_page WHERE n >= @first@ AND n < @behind@) AS p
  LEFT JOIN files ON files.file_id = p.file_id
), parsed AS MATERIALIZED (
  SELECT file_id, lsn, digest_high, digest_low, record::jsonb AS r FROM standing WHERE applies AND NOT gone
), put AS (
  INSERT INTO files (file_id, appliance_id, epoch, lsn, status, original_filename, content_type, size, checksum,
    uploaded_by, uploaded_at, retention_policy, description, tags, ttl_days, expires_at, metadata, digest_high,
    digest_low)
  SELECT file_id, @owner@, @epoch@, lsn, r->>'status', r->>'original_filename', r->>'content_type',
    (r->>'size')::bigint, decode(r->>'checksum', 'hex'), r->>'uploaded_by', (r->>'uploaded_at')::timestamptz,
    r->>'retention_policy', r->>'description', ARRAY(SELECT jsonb_array_elements_text(r->'tags')),
    (r->>'ttl_days')::integer, (r->>'expires_at')::timestamptz, nullif(r->'metadata', 'null'), digest_high,
    digest_low
  FROM parsed ORDER BY file_id
  ON CONFLICT (file_id) DO UPDATE SET epoch = excluded.epoch, lsn = excluded.lsn, status = excluded.status,
original_filename = excluded.original_filename, content_type = excluded.content_type, size = excluded.size,
checksum = excluded.checksum, uploaded_by = excluded.uploaded_by, uploaded_at = excluded.uploaded_at,
retention_policy = excluded.retention_policy, description = excluded.description, tags = excluded.tags,
ttl_days = excluded.ttl_days, expires_at = excluded.expires_at, metadata = excluded.metadata,
missing_since = NULL, digest_high = excluded.digest_high, digest_low = excluded.digest_low, changed_at = now() WHERE files.appliance_id = excluded.appliance_id AND ((files.epoch, files.lsn) < (excluded.epoch, excluded.lsn)
  OR ((files.epoch, files.lsn) = (excluded.epoch, excluded.lsn) AND (files.missing_since IS NOT NULL
    OR (files.digest_high, files.digest_low) IS DISTINCT FROM (excluded.digest_high, excluded.digest_low))
    AND (files.status <> 'deleted' OR excluded.status = 'deleted')))
  RETURNING (xmax = 0) AS inserted, status
), gone AS (
  INSERT INTO files (file_id, appliance_id, epoch, lsn, status, original_filename, content_type, size, checksum, uploaded_by, uploaded_at, retention_policy)
  SELECT file_id, @owner@, @epoch@, lsn, 'deleted', '', 'application/octet-stream', 0, decode(repeat('00', 32), 'hex'), '', 'epoch', 'permanent'
  FROM standing WHERE applies AND gone ORDER BY file_id
  ON CONFLICT (file_id) DO UPDATE SET status = 'deleted', epoch = excluded.epoch, lsn = excluded.lsn, missing_since = NULL, digest_high = NULL,
digest_low = NULL, changed_at = now() WHERE files.appliance_id = excluded.appliance_id AND ((files.epoch, files.lsn) < (excluded.epoch, excluded.lsn)
  OR (files.missing_since IS NOT NULL AND (files.epoch, files.lsn) = (excluded.epoch, excluded.lsn)))
  RETURNING 1
)
SELECT (SELECT count(*) FROM put WHERE inserted) AS added,
  (SELECT count(*) FROM put WHERE NOT inserted AND status <> 'deleted') AS updated,
  (SELECT count(*) FROM put WHERE NOT inserted AND status = 'deleted') + (SELECT count(*) FROM gone) AS deleted,
  (SELECT count(*) FROM standing WHERE is_foreign) AS other,
  (SELECT count(*) FROM standing WHERE NOT applies AND NOT is_foreign) AS unchanged,
  greatest((SELECT count(*) FROM files WHERE files.appliance_id = @owner@ AND files.file_id > @after@ AND files.file_id <= @through@
AND files.missing_since IS NULL AND files.status <> 'deleted'
AND (files.epoch, files.lsn) <= (@epoch@, @lsn@))
    - (SELECT count(*) FROM standing WHERE is_swept), 0) AS missing
