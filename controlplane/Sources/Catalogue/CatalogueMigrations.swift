public import Postgres

/// The tables of the registry: appliances, files, counters.
public enum CatalogueMigrations {
  public static let all: [Migration] = [
    Migration(module: "catalogue", number: 1, name: "name normalisation", sql: normalisation),
    Migration(module: "catalogue", number: 2, name: "storage elements", sql: storageElements),
    Migration(module: "catalogue", number: 3, name: "files", sql: files),
    Migration(module: "catalogue", number: 4, name: "file indexes", sql: fileIndexes),
    Migration(module: "catalogue", number: 5, name: "file counts", sql: fileCounts),
    Migration(module: "catalogue", number: 6, name: "accepted losses, failed syncs", sql: losses),
    Migration(module: "catalogue", number: 7, name: "digests, sync states", sql: digests),
    Migration(module: "catalogue", number: 8, name: "age of health samples", sql: healthAge),
    Migration(module: "catalogue", number: 9, name: "polls are claimed", sql: pollClaims),
  ]

  /// When a replica last took it on to poll a site.
  private static let pollClaims = "ALTER TABLE storage_elements ADD COLUMN poll_claimed_at timestamptz"

  /// Samples end by age, and are thinned out before.
  private static let healthAge = """
    CREATE INDEX storage_element_health_at ON storage_element_health USING brin (checked_at)
    """

  /// What a held sweep found, what of it an administrator has accepted, and when a sync last failed.
  private static let losses = """
    ALTER TABLE storage_elements
      ADD COLUMN loss_found bigint NOT NULL DEFAULT 0,
      ADD COLUMN loss_accepted bigint NOT NULL DEFAULT 0,
      ADD COLUMN sync_failed_at timestamptz
    """

  /// What each row adds to its appliance's digest (NULL: nothing, a tombstone); how the last comparison and the last
  /// sync ended; how fast a site may be read; whether an accepted loss also takes back positions.
  private static let digests = """
    ALTER TABLE files ADD COLUMN digest_high bigint, ADD COLUMN digest_low bigint;

    ALTER TABLE storage_elements
      ADD COLUMN sync_fault text,
      ADD COLUMN sync_error text,
      ADD COLUMN digest_checked_at timestamptz,
      ADD COLUMN digest_buckets_different integer NOT NULL DEFAULT 0,
      ADD COLUMN sync_bytes_per_second bigint CHECK (sync_bytes_per_second >= 1024),
      ADD COLUMN positions_disowned boolean NOT NULL DEFAULT false
    """

  /// Names are compared as people read them: lower case, ё as е, punctuation as space; a word that mixes Cyrillic with
  /// Latin letters of the same look is folded to Cyrillic. Queries go through the same function.
  private static let normalisation = """
    CREATE EXTENSION IF NOT EXISTS pg_trgm;

    CREATE FUNCTION public.artstore_fold(word text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
      SELECT CASE WHEN word ~ '[а-я]' AND word ~ '[aceopxykmtbh]'
        THEN translate(word, 'aceopxykmtbh', 'асеорхукмтвн') ELSE word END
    $$;

    CREATE FUNCTION public.artstore_normalise(name text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
    DECLARE
      plain text := translate(lower(name), 'ё_.-/№()', 'е       ');
    BEGIN
      IF plain ~ '[a-z][а-я]|[а-я][a-z]' THEN
        SELECT string_agg(public.artstore_fold(word), ' ' ORDER BY place) INTO plain
        FROM regexp_split_to_table(plain, ' ') WITH ORDINALITY AS words(word, place);
      END IF;
      RETURN plain;
    END
    $$;

    CREATE FUNCTION public.artstore_search(name text, description text, tags text[]) RETURNS tsvector
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
      SELECT setweight(to_tsvector('russian', public.artstore_normalise(name)), 'A')
        || setweight(to_tsvector('russian', coalesce(public.artstore_normalise(array_to_string(tags, ' ')), '')), 'B')
        || setweight(to_tsvector('russian', coalesce(public.artstore_normalise(description), '')), 'C')
    $$
    """

  private static let storageElements = """
    CREATE TABLE storage_elements (
      id uuid PRIMARY KEY,
      name text NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 100),
      url text NOT NULL UNIQUE,
      storage_id text NOT NULL UNIQUE,
      mode text NOT NULL CHECK (mode IN ('edit', 'rw', 'ro', 'ar')),
      status text NOT NULL CHECK (status IN ('online', 'offline', 'degraded', 'maintenance')),
      version text NOT NULL DEFAULT '',
      priority integer NOT NULL DEFAULT 100 CHECK (priority BETWEEN 0 AND 10000),
      capacity_bytes bigint NOT NULL DEFAULT 0,
      used_bytes bigint NOT NULL DEFAULT 0,
      available_bytes bigint NOT NULL DEFAULT 0,
      spki bytea NOT NULL CHECK (length(spki) = 32),
      epoch bigint NOT NULL DEFAULT 0,
      last_lsn bigint NOT NULL DEFAULT 0,
      chain_head text,
      sync_cursor text,
      full_sync_needed boolean NOT NULL DEFAULT true,
      loss_hold boolean NOT NULL DEFAULT false,
      clock_offset_ms bigint,
      certificate_expires_at timestamptz,
      bundle_version bigint NOT NULL DEFAULT 0,
      last_contact_at timestamptz,
      last_error text,
      last_sync_at timestamptz,
      last_file_sync_at timestamptz,
      proven_equal_at timestamptz,
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz NOT NULL DEFAULT now()
    );

    CREATE TABLE storage_element_health (
      storage_element_id uuid NOT NULL REFERENCES storage_elements (id) ON DELETE CASCADE,
      checked_at timestamptz NOT NULL,
      status text NOT NULL,
      used_bytes bigint NOT NULL,
      available_bytes bigint NOT NULL,
      round_trip_ms integer NOT NULL,
      clock_offset_ms bigint,
      error text,
      PRIMARY KEY (storage_element_id, checked_at)
    )
    """

  /// A derived index of what the appliances hold: rows are never reassigned, tombstones stay. `missing_since`
  /// is ours: the appliance did not list the file, which is reversible.
  private static let files = """
    CREATE TABLE files (
      file_id uuid PRIMARY KEY,
      appliance_id uuid NOT NULL REFERENCES storage_elements (id),
      epoch bigint NOT NULL,
      lsn bigint NOT NULL,
      status text NOT NULL CHECK (status IN ('active', 'expired', 'deleted')),
      original_filename text NOT NULL,
      content_type text NOT NULL,
      size bigint NOT NULL CHECK (size >= 0),
      checksum bytea NOT NULL CHECK (length(checksum) = 32),
      uploaded_by text NOT NULL,
      uploaded_at timestamptz NOT NULL,
      retention_policy text NOT NULL CHECK (retention_policy IN ('temporary', 'permanent')),
      description text,
      tags text[] NOT NULL DEFAULT '{}',
      ttl_days integer,
      expires_at timestamptz,
      metadata jsonb,
      missing_since timestamptz,
      changed_at timestamptz NOT NULL DEFAULT now(),
      name_lower text NOT NULL GENERATED ALWAYS AS (lower(original_filename)) STORED,
      name_normal text NOT NULL GENERATED ALWAYS AS (artstore_normalise(original_filename)) STORED,
      search tsvector NOT NULL GENERATED ALWAYS AS (artstore_search(original_filename, description, tags)) STORED
    )
    """

  private static let fileIndexes = """
    CREATE INDEX files_uploaded_at ON files (uploaded_at DESC, file_id DESC);
    CREATE INDEX files_appliance ON files (appliance_id, file_id);
    CREATE INDEX files_name_lower ON files (name_lower text_pattern_ops);
    CREATE INDEX files_name_normal ON files (name_normal text_pattern_ops);
    CREATE INDEX files_name_trigram ON files USING gin (name_normal gin_trgm_ops);
    CREATE INDEX files_search ON files USING gin (search);
    CREATE INDEX files_tags ON files USING gin (tags);
    CREATE INDEX files_uploaded_by ON files (uploaded_by, uploaded_at DESC);
    CREATE INDEX files_size ON files (size, file_id)
    """

  /// Totals without counting. Sharded by backend, so that parallel writers do not queue for one row.
  private static let fileCounts = """
    CREATE TABLE file_counts (
      appliance_id uuid NOT NULL,
      status text NOT NULL,
      retention_policy text NOT NULL,
      shard smallint NOT NULL,
      files bigint NOT NULL,
      bytes bigint NOT NULL,
      PRIMARY KEY (appliance_id, status, retention_policy, shard)
    );

    CREATE FUNCTION files_counted_as(status text, missing_since timestamptz) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT CASE WHEN missing_since IS NULL THEN status ELSE 'missing' END $$;

    CREATE FUNCTION files_count_added() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      INSERT INTO file_counts AS c
      SELECT appliance_id, files_counted_as(status, missing_since), retention_policy, pg_backend_pid() % 32,
        count(*), sum(size)
      FROM added GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
      ON CONFLICT (appliance_id, status, retention_policy, shard)
      DO UPDATE SET files = c.files + excluded.files, bytes = c.bytes + excluded.bytes;
      RETURN NULL;
    END
    $$;

    CREATE FUNCTION files_count_removed() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      INSERT INTO file_counts AS c
      SELECT appliance_id, files_counted_as(status, missing_since), retention_policy, pg_backend_pid() % 32,
        -count(*), -sum(size)
      FROM removed GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
      ON CONFLICT (appliance_id, status, retention_policy, shard)
      DO UPDATE SET files = c.files + excluded.files, bytes = c.bytes + excluded.bytes;
      RETURN NULL;
    END
    $$;

    CREATE FUNCTION files_count_changed() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      INSERT INTO file_counts AS c
      SELECT appliance_id, status, retention_policy, pg_backend_pid() % 32, sum(n), sum(b)
      FROM (
        SELECT appliance_id, files_counted_as(status, missing_since) AS status, retention_policy,
          count(*) AS n, sum(size) AS b
        FROM added GROUP BY 1, 2, 3
        UNION ALL
        SELECT appliance_id, files_counted_as(status, missing_since), retention_policy, -count(*), -sum(size)
        FROM removed GROUP BY 1, 2, 3
      ) AS deltas
      GROUP BY 1, 2, 3 HAVING sum(n) <> 0 OR sum(b) <> 0 ORDER BY 1, 2, 3
      ON CONFLICT (appliance_id, status, retention_policy, shard)
      DO UPDATE SET files = c.files + excluded.files, bytes = c.bytes + excluded.bytes;
      RETURN NULL;
    END
    $$;

    CREATE TRIGGER files_count_insert AFTER INSERT ON files
      REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION files_count_added();
    CREATE TRIGGER files_count_delete AFTER DELETE ON files
      REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION files_count_removed();
    CREATE TRIGGER files_count_update AFTER UPDATE ON files
      REFERENCING OLD TABLE AS removed NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION files_count_changed()
    """
}
