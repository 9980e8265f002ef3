public import Postgres

/// The tables of the fleet's keys and of what is pinned about appliances.
public enum FleetMigrations {
  public static let all: [Migration] =
    [
      Migration(module: "fleet", number: 1, name: "keys and bundles", sql: keys),
      Migration(module: "fleet", number: 2, name: "chain pins", sql: chainPins),
      Migration(module: "fleet", number: 3, name: "resumable full sync", sql: fullSync),
    ] + TrustMigrations.all

  /// Private keys are sealed with the master key; certificates are public.
  private static let keys = """
    CREATE TABLE fleet_keys (
      name text PRIMARY KEY,
      sealed_key bytea NOT NULL,
      certificate text,
      created_at timestamptz NOT NULL DEFAULT now()
    );

    CREATE TABLE fleet_bundles (
      version bigint PRIMARY KEY,
      content_digest bytea NOT NULL,
      payload text NOT NULL,
      signature text NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now()
    );

    CREATE TABLE fleet_revoked_keys (
      spki bytea PRIMARY KEY CHECK (length(spki) = 32),
      reason text NOT NULL,
      revoked_at timestamptz NOT NULL DEFAULT now()
    )
    """

  /// The head of each appliance's journal chain as of each sync: neither side can rewrite history alone.
  private static let chainPins = """
    CREATE TABLE fleet_chain_pins (
      storage_element_id uuid NOT NULL,
      epoch bigint NOT NULL,
      lsn bigint NOT NULL,
      chain_head text NOT NULL,
      pinned_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (storage_element_id, epoch, lsn)
    )
    """

  /// Where an interrupted full sync goes on, and from which position the feed follows it.
  private static let fullSync = """
    CREATE TABLE fleet_full_syncs (
      storage_element_id uuid PRIMARY KEY REFERENCES storage_elements (id) ON DELETE CASCADE,
      start_cursor text NOT NULL,
      next_after uuid NOT NULL,
      marked bigint NOT NULL DEFAULT 0,
      started_at timestamptz NOT NULL DEFAULT now()
    )
    """
}
