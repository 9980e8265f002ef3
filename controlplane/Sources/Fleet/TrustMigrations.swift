internal import Postgres

/// The tables of who is no longer trusted, and of who may work at a site alone. Their own numbering beside the fleet's.
enum TrustMigrations {
  static let all: [Migration] = [
    Migration(module: "trust", number: 1, name: "revocations and local clients", sql: first),
    Migration(module: "trust", number: 2, name: "standing of journal chains", sql: standing),
    Migration(module: "trust", number: 3, name: "pinned segments", sql: pinnedSegments),
  ]

  /// `subject` is the identity in the certificate. A revoked key leaves the bundle when no certificate for it can be
  /// valid any more (`ends_at`; null: never).
  private static let first = """
    ALTER TABLE fleet_revoked_keys
      ADD COLUMN subject text NOT NULL DEFAULT '',
      ADD COLUMN revoked_by text NOT NULL DEFAULT '',
      ADD COLUMN ends_at timestamptz;

    CREATE TABLE fleet_local_clients (
      id uuid PRIMARY KEY,
      name text NOT NULL UNIQUE,
      spki bytea NOT NULL CHECK (length(spki) = 32),
      csr text NOT NULL,
      scopes text[] NOT NULL,
      storage_element_ids uuid[] NOT NULL,
      expires_at timestamptz NOT NULL,
      created_by text NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now(),
      renewed_at timestamptz NOT NULL DEFAULT now()
    )
    """

  /// The segment whose header names the head. Pins from before are looked for by their hash.
  private static let pinnedSegments = """
    ALTER TABLE fleet_chain_pins ADD COLUMN segment bigint
    """

  /// What the last comparison with the pinned heads found; null: nothing.
  private static let standing = """
    CREATE TABLE fleet_chain_standing (
      storage_element_id uuid PRIMARY KEY REFERENCES storage_elements (id) ON DELETE CASCADE,
      checked_at timestamptz NOT NULL,
      problem text
    )
    """
}
