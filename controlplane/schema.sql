

CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public;

COMMENT ON EXTENSION pg_trgm IS 'text similarity measurement and index searching based on trigrams';

CREATE FUNCTION public.artstore_fold(word text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $$
  SELECT CASE WHEN word ~ '[а-я]' AND word ~ '[aceopxykmtbh]'
    THEN translate(word, 'aceopxykmtbh', 'асеорхукмтвн') ELSE word END
$$;

CREATE FUNCTION public.artstore_normalise(name text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
    AS $$
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
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
  SELECT setweight(to_tsvector('russian', public.artstore_normalise(name)), 'A')
    || setweight(to_tsvector('russian', coalesce(public.artstore_normalise(array_to_string(tags, ' ')), '')), 'B')
    || setweight(to_tsvector('russian', coalesce(public.artstore_normalise(description), '')), 'C')
$$;

CREATE FUNCTION public.files_count_added() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION public.files_count_changed() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION public.files_count_removed() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION public.files_counted_as(status text, missing_since timestamp with time zone) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT CASE WHEN missing_since IS NULL THEN status ELSE 'missing' END $$;

CREATE TABLE public.audit_anchor (
    only_row boolean DEFAULT true NOT NULL,
    sequence bigint NOT NULL,
    code bytea NOT NULL,
    seal bytea NOT NULL,
    pruned_at timestamp with time zone NOT NULL,
    CONSTRAINT audit_anchor_only_row_check CHECK (only_row)
);

CREATE TABLE public.audit_head (
    only_row boolean DEFAULT true NOT NULL,
    sequence bigint NOT NULL,
    code bytea NOT NULL,
    seal bytea NOT NULL,
    CONSTRAINT audit_head_only_row_check CHECK (only_row)
);

CREATE TABLE public.audit_log (
    sequence bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    target text NOT NULL,
    source text NOT NULL,
    result text NOT NULL,
    trace text NOT NULL,
    details jsonb NOT NULL,
    code bytea NOT NULL,
    CONSTRAINT audit_log_result_check CHECK ((result = ANY (ARRAY['ok'::text, 'refused'::text, 'failed'::text])))
);

CREATE TABLE public.console_sessions (
    key text NOT NULL,
    administrator_id text NOT NULL,
    login text NOT NULL,
    role text NOT NULL,
    csrf_token text NOT NULL,
    must_change_password boolean NOT NULL,
    created_at timestamp with time zone NOT NULL,
    last_seen_at timestamp with time zone NOT NULL,
    CONSTRAINT console_sessions_key_check CHECK ((length(key) = 64)),
    CONSTRAINT console_sessions_role_check CHECK ((role = ANY (ARRAY['admin'::text, 'readonly'::text])))
);

CREATE TABLE public.file_counts (
    appliance_id uuid NOT NULL,
    status text NOT NULL,
    retention_policy text NOT NULL,
    shard smallint NOT NULL,
    files bigint NOT NULL,
    bytes bigint NOT NULL
);

CREATE TABLE public.files (
    file_id uuid NOT NULL,
    appliance_id uuid NOT NULL,
    epoch bigint NOT NULL,
    lsn bigint NOT NULL,
    status text NOT NULL,
    original_filename text NOT NULL,
    content_type text NOT NULL,
    size bigint NOT NULL,
    checksum bytea NOT NULL,
    uploaded_by text NOT NULL,
    uploaded_at timestamp with time zone NOT NULL,
    retention_policy text NOT NULL,
    description text,
    tags text[] DEFAULT '{}'::text[] NOT NULL,
    ttl_days integer,
    expires_at timestamp with time zone,
    metadata jsonb,
    missing_since timestamp with time zone,
    changed_at timestamp with time zone DEFAULT now() NOT NULL,
    name_lower text GENERATED ALWAYS AS (lower(original_filename)) STORED NOT NULL,
    name_normal text GENERATED ALWAYS AS (public.artstore_normalise(original_filename)) STORED NOT NULL,
    search tsvector GENERATED ALWAYS AS (public.artstore_search(original_filename, description, tags)) STORED NOT NULL,
    digest_high bigint,
    digest_low bigint,
    CONSTRAINT files_checksum_check CHECK ((length(checksum) = 32)),
    CONSTRAINT files_retention_policy_check CHECK ((retention_policy = ANY (ARRAY['temporary'::text, 'permanent'::text]))),
    CONSTRAINT files_size_check CHECK ((size >= 0)),
    CONSTRAINT files_status_check CHECK ((status = ANY (ARRAY['active'::text, 'expired'::text, 'deleted'::text])))
);

CREATE TABLE public.fleet_bundles (
    version bigint NOT NULL,
    content_digest bytea NOT NULL,
    payload text NOT NULL,
    signature text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.fleet_chain_pins (
    storage_element_id uuid NOT NULL,
    epoch bigint NOT NULL,
    lsn bigint NOT NULL,
    chain_head text NOT NULL,
    pinned_at timestamp with time zone DEFAULT now() NOT NULL,
    segment bigint
);

CREATE TABLE public.fleet_chain_standing (
    storage_element_id uuid NOT NULL,
    checked_at timestamp with time zone NOT NULL,
    problem text
);

CREATE TABLE public.fleet_full_sync_ranges (
    storage_element_id uuid NOT NULL,
    number integer NOT NULL,
    next_after uuid NOT NULL,
    through uuid NOT NULL
);

CREATE TABLE public.fleet_full_syncs (
    storage_element_id uuid NOT NULL,
    start_cursor text NOT NULL,
    marked bigint DEFAULT 0 NOT NULL,
    started_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.fleet_keys (
    name text NOT NULL,
    sealed_key bytea NOT NULL,
    certificate text,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.fleet_local_clients (
    id uuid NOT NULL,
    name text NOT NULL,
    spki bytea NOT NULL,
    csr text NOT NULL,
    scopes text[] NOT NULL,
    storage_element_ids uuid[] NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    created_by text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    renewed_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT fleet_local_clients_spki_check CHECK ((length(spki) = 32))
);

CREATE TABLE public.fleet_revoked_keys (
    spki bytea NOT NULL,
    reason text NOT NULL,
    revoked_at timestamp with time zone DEFAULT now() NOT NULL,
    subject text DEFAULT ''::text NOT NULL,
    revoked_by text DEFAULT ''::text NOT NULL,
    ends_at timestamp with time zone,
    CONSTRAINT fleet_revoked_keys_spki_check CHECK ((length(spki) = 32))
);

CREATE TABLE public.identity_administrators (
    id uuid NOT NULL,
    login text NOT NULL,
    display_name text DEFAULT ''::text NOT NULL,
    role text NOT NULL,
    status text NOT NULL,
    password_hash text NOT NULL,
    must_change_password boolean NOT NULL,
    totp_sealed bytea,
    totp_confirmed boolean DEFAULT false NOT NULL,
    totp_last_step bigint DEFAULT 0 NOT NULL,
    recovery_hashes text[] DEFAULT '{}'::text[] NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    password_changed_at timestamp with time zone NOT NULL,
    last_login_at timestamp with time zone,
    CONSTRAINT identity_administrators_role_check CHECK ((role = ANY (ARRAY['admin'::text, 'readonly'::text]))),
    CONSTRAINT identity_administrators_status_check CHECK ((status = ANY (ARRAY['active'::text, 'suspended'::text])))
);

CREATE TABLE public.identity_client_secrets (
    id uuid NOT NULL,
    account_id uuid NOT NULL,
    secret_hash bytea NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone
);

CREATE TABLE public.identity_login_failures (
    login_hash bytea NOT NULL,
    failures integer NOT NULL,
    last_at timestamp with time zone NOT NULL,
    locked_until timestamp with time zone
);

CREATE TABLE public.identity_refresh_families (
    id uuid NOT NULL,
    administrator_id uuid NOT NULL,
    created_at timestamp with time zone NOT NULL,
    revoked_at timestamp with time zone,
    source text DEFAULT ''::text NOT NULL
);

CREATE TABLE public.identity_refresh_tokens (
    token_hash bytea NOT NULL,
    family_id uuid NOT NULL,
    issued_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    used_at timestamp with time zone,
    access_id text
);

CREATE TABLE public.identity_revocations (
    kind text NOT NULL,
    value text NOT NULL,
    before timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT identity_revocations_kind_check CHECK ((kind = ANY (ARRAY['token'::text, 'subject'::text])))
);

CREATE TABLE public.identity_service_accounts (
    id uuid NOT NULL,
    client_id text NOT NULL,
    name text NOT NULL,
    description text DEFAULT ''::text NOT NULL,
    scopes text[] NOT NULL,
    status text NOT NULL,
    created_by text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    last_used_at timestamp with time zone,
    CONSTRAINT identity_service_accounts_status_check CHECK ((status = ANY (ARRAY['active'::text, 'suspended'::text])))
);

CREATE TABLE public.identity_settings (
    only_row boolean DEFAULT true NOT NULL,
    settings jsonb DEFAULT '{}'::jsonb NOT NULL,
    master_key_check bytea,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT identity_settings_only_row_check CHECK (only_row)
);

CREATE TABLE public.identity_signing_keys (
    key_id text NOT NULL,
    spki bytea NOT NULL,
    private_sealed bytea NOT NULL,
    published_at timestamp with time zone NOT NULL,
    activates_at timestamp with time zone NOT NULL,
    retires_at timestamp with time zone
);

CREATE TABLE public.storage_element_health (
    storage_element_id uuid NOT NULL,
    checked_at timestamp with time zone NOT NULL,
    status text NOT NULL,
    used_bytes bigint NOT NULL,
    available_bytes bigint NOT NULL,
    round_trip_ms integer NOT NULL,
    clock_offset_ms bigint,
    error text
);

CREATE TABLE public.storage_elements (
    id uuid NOT NULL,
    name text NOT NULL,
    url text NOT NULL,
    storage_id text NOT NULL,
    mode text NOT NULL,
    status text NOT NULL,
    version text DEFAULT ''::text NOT NULL,
    priority integer DEFAULT 100 NOT NULL,
    capacity_bytes bigint DEFAULT 0 NOT NULL,
    used_bytes bigint DEFAULT 0 NOT NULL,
    available_bytes bigint DEFAULT 0 NOT NULL,
    spki bytea NOT NULL,
    epoch bigint DEFAULT 0 NOT NULL,
    last_lsn bigint DEFAULT 0 NOT NULL,
    chain_head text,
    sync_cursor text,
    full_sync_needed boolean DEFAULT true NOT NULL,
    loss_hold boolean DEFAULT false NOT NULL,
    clock_offset_ms bigint,
    certificate_expires_at timestamp with time zone,
    bundle_version bigint DEFAULT 0 NOT NULL,
    last_contact_at timestamp with time zone,
    last_error text,
    last_sync_at timestamp with time zone,
    last_file_sync_at timestamp with time zone,
    proven_equal_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    loss_found bigint DEFAULT 0 NOT NULL,
    loss_accepted bigint DEFAULT 0 NOT NULL,
    sync_failed_at timestamp with time zone,
    sync_fault text,
    sync_error text,
    digest_checked_at timestamp with time zone,
    digest_buckets_different integer DEFAULT 0 NOT NULL,
    sync_bytes_per_second bigint,
    positions_disowned boolean DEFAULT false NOT NULL,
    poll_claimed_at timestamp with time zone,
    CONSTRAINT storage_elements_mode_check CHECK ((mode = ANY (ARRAY['edit'::text, 'rw'::text, 'ro'::text, 'ar'::text]))),
    CONSTRAINT storage_elements_name_check CHECK (((length(name) >= 1) AND (length(name) <= 100))),
    CONSTRAINT storage_elements_priority_check CHECK (((priority >= 0) AND (priority <= 10000))),
    CONSTRAINT storage_elements_spki_check CHECK ((length(spki) = 32)),
    CONSTRAINT storage_elements_status_check CHECK ((status = ANY (ARRAY['online'::text, 'offline'::text, 'degraded'::text, 'maintenance'::text]))),
    CONSTRAINT storage_elements_sync_bytes_per_second_check CHECK ((sync_bytes_per_second >= 1024))
);

ALTER TABLE ONLY public.audit_anchor
    ADD CONSTRAINT audit_anchor_pkey PRIMARY KEY (only_row);

ALTER TABLE ONLY public.audit_head
    ADD CONSTRAINT audit_head_pkey PRIMARY KEY (only_row);

ALTER TABLE ONLY public.audit_log
    ADD CONSTRAINT audit_log_pkey PRIMARY KEY (sequence);

ALTER TABLE ONLY public.console_sessions
    ADD CONSTRAINT console_sessions_pkey PRIMARY KEY (key);

ALTER TABLE ONLY public.file_counts
    ADD CONSTRAINT file_counts_pkey PRIMARY KEY (appliance_id, status, retention_policy, shard);

ALTER TABLE ONLY public.files
    ADD CONSTRAINT files_pkey PRIMARY KEY (file_id);

ALTER TABLE ONLY public.fleet_bundles
    ADD CONSTRAINT fleet_bundles_pkey PRIMARY KEY (version);

ALTER TABLE ONLY public.fleet_chain_pins
    ADD CONSTRAINT fleet_chain_pins_pkey PRIMARY KEY (storage_element_id, epoch, lsn);

ALTER TABLE ONLY public.fleet_chain_standing
    ADD CONSTRAINT fleet_chain_standing_pkey PRIMARY KEY (storage_element_id);

ALTER TABLE ONLY public.fleet_full_sync_ranges
    ADD CONSTRAINT fleet_full_sync_ranges_pkey PRIMARY KEY (storage_element_id, number);

ALTER TABLE ONLY public.fleet_full_syncs
    ADD CONSTRAINT fleet_full_syncs_pkey PRIMARY KEY (storage_element_id);

ALTER TABLE ONLY public.fleet_keys
    ADD CONSTRAINT fleet_keys_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.fleet_local_clients
    ADD CONSTRAINT fleet_local_clients_name_key UNIQUE (name);

ALTER TABLE ONLY public.fleet_local_clients
    ADD CONSTRAINT fleet_local_clients_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.fleet_revoked_keys
    ADD CONSTRAINT fleet_revoked_keys_pkey PRIMARY KEY (spki);

ALTER TABLE ONLY public.identity_administrators
    ADD CONSTRAINT identity_administrators_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.identity_client_secrets
    ADD CONSTRAINT identity_client_secrets_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.identity_login_failures
    ADD CONSTRAINT identity_login_failures_pkey PRIMARY KEY (login_hash);

ALTER TABLE ONLY public.identity_refresh_families
    ADD CONSTRAINT identity_refresh_families_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.identity_refresh_tokens
    ADD CONSTRAINT identity_refresh_tokens_pkey PRIMARY KEY (token_hash);

ALTER TABLE ONLY public.identity_revocations
    ADD CONSTRAINT identity_revocations_pkey PRIMARY KEY (kind, value);

ALTER TABLE ONLY public.identity_service_accounts
    ADD CONSTRAINT identity_service_accounts_client_id_key UNIQUE (client_id);

ALTER TABLE ONLY public.identity_service_accounts
    ADD CONSTRAINT identity_service_accounts_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.identity_settings
    ADD CONSTRAINT identity_settings_pkey PRIMARY KEY (only_row);

ALTER TABLE ONLY public.identity_signing_keys
    ADD CONSTRAINT identity_signing_keys_pkey PRIMARY KEY (key_id);

ALTER TABLE ONLY public.storage_element_health
    ADD CONSTRAINT storage_element_health_pkey PRIMARY KEY (storage_element_id, checked_at);

ALTER TABLE ONLY public.storage_elements
    ADD CONSTRAINT storage_elements_name_key UNIQUE (name);

ALTER TABLE ONLY public.storage_elements
    ADD CONSTRAINT storage_elements_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.storage_elements
    ADD CONSTRAINT storage_elements_storage_id_key UNIQUE (storage_id);

ALTER TABLE ONLY public.storage_elements
    ADD CONSTRAINT storage_elements_url_key UNIQUE (url);

CREATE INDEX audit_log_action ON public.audit_log USING btree (action, sequence);

CREATE INDEX audit_log_actor ON public.audit_log USING btree (actor, sequence);

CREATE INDEX audit_log_at ON public.audit_log USING btree (at);

CREATE INDEX console_sessions_administrator ON public.console_sessions USING btree (administrator_id);

CREATE INDEX console_sessions_last_seen ON public.console_sessions USING btree (last_seen_at);

CREATE INDEX files_appliance ON public.files USING btree (appliance_id, file_id);

CREATE INDEX files_name_lower ON public.files USING btree (name_lower text_pattern_ops);

CREATE INDEX files_name_normal ON public.files USING btree (name_normal text_pattern_ops);

CREATE INDEX files_name_trigram ON public.files USING gin (name_normal public.gin_trgm_ops);

CREATE INDEX files_search ON public.files USING gin (search);

CREATE INDEX files_size ON public.files USING btree (size, file_id);

CREATE INDEX files_tags ON public.files USING gin (tags);

CREATE INDEX files_uploaded_at ON public.files USING btree (uploaded_at DESC, file_id DESC);

CREATE INDEX files_uploaded_by ON public.files USING btree (uploaded_by, uploaded_at DESC);

CREATE UNIQUE INDEX identity_administrators_login ON public.identity_administrators USING btree (lower(login));

CREATE INDEX identity_client_secrets_account ON public.identity_client_secrets USING btree (account_id, created_at);

CREATE INDEX identity_refresh_families_owner ON public.identity_refresh_families USING btree (administrator_id);

CREATE INDEX identity_refresh_tokens_expiry ON public.identity_refresh_tokens USING btree (expires_at);

CREATE INDEX identity_refresh_tokens_family ON public.identity_refresh_tokens USING btree (family_id);

CREATE INDEX identity_revocations_expiry ON public.identity_revocations USING btree (expires_at);

CREATE UNIQUE INDEX identity_service_accounts_name ON public.identity_service_accounts USING btree (lower(name));

CREATE INDEX identity_signing_keys_by_time ON public.identity_signing_keys USING btree (activates_at);

CREATE INDEX storage_element_health_at ON public.storage_element_health USING brin (checked_at);

CREATE TRIGGER files_count_delete AFTER DELETE ON public.files REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION public.files_count_removed();

CREATE TRIGGER files_count_insert AFTER INSERT ON public.files REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION public.files_count_added();

CREATE TRIGGER files_count_update AFTER UPDATE ON public.files REFERENCING OLD TABLE AS removed NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION public.files_count_changed();

ALTER TABLE ONLY public.files
    ADD CONSTRAINT files_appliance_id_fkey FOREIGN KEY (appliance_id) REFERENCES public.storage_elements(id);

ALTER TABLE ONLY public.fleet_chain_standing
    ADD CONSTRAINT fleet_chain_standing_storage_element_id_fkey FOREIGN KEY (storage_element_id) REFERENCES public.storage_elements(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.fleet_full_sync_ranges
    ADD CONSTRAINT fleet_full_sync_ranges_storage_element_id_fkey FOREIGN KEY (storage_element_id) REFERENCES public.fleet_full_syncs(storage_element_id) ON DELETE CASCADE;

ALTER TABLE ONLY public.fleet_full_syncs
    ADD CONSTRAINT fleet_full_syncs_storage_element_id_fkey FOREIGN KEY (storage_element_id) REFERENCES public.storage_elements(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.identity_client_secrets
    ADD CONSTRAINT identity_client_secrets_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.identity_service_accounts(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.identity_refresh_families
    ADD CONSTRAINT identity_refresh_families_administrator_id_fkey FOREIGN KEY (administrator_id) REFERENCES public.identity_administrators(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.identity_refresh_tokens
    ADD CONSTRAINT identity_refresh_tokens_family_id_fkey FOREIGN KEY (family_id) REFERENCES public.identity_refresh_families(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.storage_element_health
    ADD CONSTRAINT storage_element_health_storage_element_id_fkey FOREIGN KEY (storage_element_id) REFERENCES public.storage_elements(id) ON DELETE CASCADE;


