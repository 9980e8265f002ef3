internal import Core
public import Telemetry

/// Applies migrations that are not applied yet, in the order of the list, each in its transaction, under an advisory
/// lock, so that replicas that start together take turns. A migration whose text changed after it was applied is
/// refused.
public struct Migrator: Sendable {
  private let pool: PostgresPool
  private let migrations: [Migration]
  private let logger: Logger

  /// Key of the advisory lock: "artstore" in ASCII.
  private static let lockKey: Int64 = 0x6172_7473_746f_7265

  /// - Parameter migrations: every module's, lower modules first; within a module numbered 1, 2, 3, ….
  public init(pool: PostgresPool, migrations: [Migration], logger: Logger) {
    self.pool = pool
    self.migrations = migrations
    self.logger = logger
  }

  /// Returns how many were applied now. Running it again applies nothing.
  @discardableResult
  public func run() async throws -> Int {
    try checkNumbers()
    return try await pool.withConnection { connection in
      try await connection.script("SET statement_timeout = 0")
      try await connection.query("SELECT pg_advisory_lock(\(Self.lockKey))", timeout: .seconds(300))
      do {
        let count = try await applyMissing(on: connection)
        try await unlock(connection)
        return count
      } catch {
        if !connection.isBroken { try await unlock(connection) }
        throw error
      }
    }
  }

  private func unlock(_ connection: PostgresConnection) async throws {
    try await connection.query("SELECT pg_advisory_unlock(\(Self.lockKey))")
    let milliseconds = connection.statementTimeout.microseconds / 1000
    try await connection.script("SET statement_timeout = \(milliseconds)")
  }

  private func applyMissing(on connection: PostgresConnection) async throws -> Int {
    try await checkEncoding(connection)
    try await connection.script(
      """
      CREATE TABLE IF NOT EXISTS schema_migrations (
        module text NOT NULL, number integer NOT NULL, name text NOT NULL, sql_digest text NOT NULL,
        applied_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (module, number))
      """)
    var applied: [String: String] = [:]
    for row in try await connection.query("SELECT module, number, sql_digest FROM schema_migrations") {
      applied["\(try row.decode(0, as: String.self)) \(try row.decode(1, as: Int.self))"] = try row.decode(2)
    }
    var count = 0
    for migration in migrations {
      let digest = try await connection.query("SELECT encode(sha256(convert_to(\(migration.sql), 'UTF8')), 'hex')")
        .scalar(String.self)
      if let known = applied["\(migration.module) \(migration.number)"] {
        guard known == digest else { throw changed(migration) }
        continue
      }
      try await apply(migration, digest: digest, on: connection)
      count += 1
    }
    return count
  }

  private func apply(_ migration: Migration, digest: String, on connection: PostgresConnection) async throws {
    try await connection.transaction { connection in
      try await connection.script(migration.sql, timeout: .seconds(3600))
      try await connection.query(
        """
        INSERT INTO schema_migrations (module, number, name, sql_digest)
        VALUES (\(migration.module), \(migration.number), \(migration.name), \(digest))
        """)
    }
    logger.info(
      "postgres.migrated",
      ["module": .string(migration.module), "number": .integer(migration.number), "name": .string(migration.name)])
  }

  private func changed(_ migration: Migration) -> PostgresError {
    PostgresError(
      .migration,
      "migration \(migration.module) \(migration.number) (\(migration.name)) was applied with another text: add a new "
        + "migration instead of changing a released one")
  }

  private func checkNumbers() throws(PostgresError) {
    var last: [String: Int] = [:]
    for migration in migrations {
      let expected = (last[migration.module] ?? 0) + 1
      guard migration.number == expected else {
        throw PostgresError(
          .migration, "migrations of \(migration.module): number \(expected) expected, found \(migration.number)")
      }
      last[migration.module] = expected
    }
  }

  /// `LC_CTYPE=C` leaves Cyrillic out of `lower` and of trigrams: searching would quietly find less.
  private func checkEncoding(_ connection: PostgresConnection) async throws {
    let row = try await connection.query("SELECT lower('Ё') = 'ё' AND current_setting('server_encoding') = 'UTF8'")
    guard try row.scalar(Bool.self) else {
      throw PostgresError(
        .migration,
        "the database's character type does not know Cyrillic or is not UTF-8: create it with ENCODING 'UTF8' and "
          + "LC_CTYPE 'C.UTF-8' (or any other UTF-8 locale but C)")
    }
  }
}
