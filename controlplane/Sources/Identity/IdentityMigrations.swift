public import Postgres

/// The tables of this module, one numbered change each.
public enum IdentityMigrations {
  public static let all: [Migration] = [
    Migration(module: "identity", number: 1, name: "settings", sql: settings),
    Migration(module: "identity", number: 2, name: "signing_keys", sql: signingKeys),
    Migration(module: "identity", number: 3, name: "service_accounts", sql: serviceAccounts),
    Migration(module: "identity", number: 4, name: "administrators", sql: administrators),
    Migration(module: "identity", number: 5, name: "revocations", sql: revocations),
    Migration(module: "identity", number: 6, name: "audit", sql: audit),
    Migration(module: "identity", number: 7, name: "sessions", sql: sessions),
    Migration(module: "identity", number: 8, name: "audit_anchor", sql: auditAnchor),
  ]

  /// `master_key_check` is a known text sealed with the master key: another key is noticed at start.
  private static let settings = """
    CREATE TABLE identity_settings (
      only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
      settings jsonb NOT NULL DEFAULT '{}',
      master_key_check bytea,
      updated_at timestamptz NOT NULL DEFAULT now()
    );
    INSERT INTO identity_settings DEFAULT VALUES;
    """

  private static let signingKeys = """
    CREATE TABLE identity_signing_keys (
      key_id text PRIMARY KEY,
      spki bytea NOT NULL,
      private_sealed bytea NOT NULL,
      published_at timestamptz NOT NULL,
      activates_at timestamptz NOT NULL,
      retires_at timestamptz
    );
    CREATE INDEX identity_signing_keys_by_time ON identity_signing_keys (activates_at);
    """

  private static let serviceAccounts = """
    CREATE TABLE identity_service_accounts (
      id uuid PRIMARY KEY,
      client_id text NOT NULL UNIQUE,
      name text NOT NULL,
      description text NOT NULL DEFAULT '',
      scopes text[] NOT NULL,
      status text NOT NULL CHECK (status IN ('active', 'suspended')),
      created_by text NOT NULL,
      created_at timestamptz NOT NULL,
      updated_at timestamptz NOT NULL,
      last_used_at timestamptz
    );
    CREATE UNIQUE INDEX identity_service_accounts_name ON identity_service_accounts (lower(name));
    CREATE TABLE identity_client_secrets (
      id uuid PRIMARY KEY,
      account_id uuid NOT NULL REFERENCES identity_service_accounts ON DELETE CASCADE,
      secret_hash bytea NOT NULL,
      created_at timestamptz NOT NULL,
      expires_at timestamptz
    );
    CREATE INDEX identity_client_secrets_account ON identity_client_secrets (account_id, created_at);
    """

  /// Failures are counted by the login's hash, whether such an administrator exists or not: the answers then tell
  /// nothing about who exists.
  private static let administrators = """
    CREATE TABLE identity_administrators (
      id uuid PRIMARY KEY,
      login text NOT NULL,
      display_name text NOT NULL DEFAULT '',
      role text NOT NULL CHECK (role IN ('admin', 'readonly')),
      status text NOT NULL CHECK (status IN ('active', 'suspended')),
      password_hash text NOT NULL,
      must_change_password boolean NOT NULL,
      totp_sealed bytea,
      totp_confirmed boolean NOT NULL DEFAULT false,
      totp_last_step bigint NOT NULL DEFAULT 0,
      recovery_hashes text[] NOT NULL DEFAULT '{}',
      created_at timestamptz NOT NULL,
      updated_at timestamptz NOT NULL,
      password_changed_at timestamptz NOT NULL,
      last_login_at timestamptz
    );
    CREATE UNIQUE INDEX identity_administrators_login ON identity_administrators (lower(login));
    CREATE TABLE identity_login_failures (
      login_hash bytea PRIMARY KEY,
      failures integer NOT NULL,
      last_at timestamptz NOT NULL,
      locked_until timestamptz
    );
    CREATE TABLE identity_refresh_families (
      id uuid PRIMARY KEY,
      administrator_id uuid NOT NULL REFERENCES identity_administrators ON DELETE CASCADE,
      created_at timestamptz NOT NULL,
      revoked_at timestamptz
    );
    CREATE INDEX identity_refresh_families_owner ON identity_refresh_families (administrator_id);
    CREATE TABLE identity_refresh_tokens (
      token_hash bytea PRIMARY KEY,
      family_id uuid NOT NULL REFERENCES identity_refresh_families ON DELETE CASCADE,
      issued_at timestamptz NOT NULL,
      expires_at timestamptz NOT NULL,
      used_at timestamptz
    );
    CREATE INDEX identity_refresh_tokens_family ON identity_refresh_tokens (family_id);
    CREATE INDEX identity_refresh_tokens_expiry ON identity_refresh_tokens (expires_at);
    """

  /// A row ends one token (kind `token`, value `jti`), or all tokens of a subject issued before `before`.
  private static let revocations = """
    CREATE TABLE identity_revocations (
      kind text NOT NULL CHECK (kind IN ('token', 'subject')),
      value text NOT NULL,
      before timestamptz NOT NULL,
      expires_at timestamptz NOT NULL,
      PRIMARY KEY (kind, value)
    );
    CREATE INDEX identity_revocations_expiry ON identity_revocations (expires_at);
    """

  /// `code` chains the rows: HMAC-SHA256 under a key derived from the master key, over the previous row's code and
  /// every
  /// column of this one. `audit_head` names the newest row, so that cutting the end off is seen as well.
  private static let audit = """
    CREATE TABLE audit_log (
      sequence bigint PRIMARY KEY,
      at timestamptz NOT NULL,
      actor text NOT NULL,
      action text NOT NULL,
      target text NOT NULL,
      source text NOT NULL,
      result text NOT NULL CHECK (result IN ('ok', 'refused', 'failed')),
      trace text NOT NULL,
      details jsonb NOT NULL,
      code bytea NOT NULL
    );
    CREATE INDEX audit_log_at ON audit_log (at);
    CREATE INDEX audit_log_actor ON audit_log (actor, sequence);
    CREATE INDEX audit_log_action ON audit_log (action, sequence);
    CREATE TABLE audit_head (
      only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
      sequence bigint NOT NULL,
      code bytea NOT NULL,
      seal bytea NOT NULL
    );
    """

  /// What a session shows of itself, and the access token each refresh gave, so that ending one ends both.
  private static let sessions = """
    ALTER TABLE identity_refresh_families ADD COLUMN source text NOT NULL DEFAULT '';
    ALTER TABLE identity_refresh_tokens ADD COLUMN access_id text;
    """

  /// Where the chain begins once its oldest records were pruned: the last pruned record's sequence and code, sealed
  /// like the head. No row: it begins with record 1.
  private static let auditAnchor = """
    CREATE TABLE audit_anchor (
      only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
      sequence bigint NOT NULL,
      code bytea NOT NULL,
      seal bytea NOT NULL,
      pruned_at timestamptz NOT NULL
    );
    """
}
