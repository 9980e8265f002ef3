import Core
import FoundationEssentials
import Postgres
import PostgresTesting
import Telemetry
import Testing

@testable import ControlPlane

/// `controlplane/schema.sql` is what all migrations together make: whoever reads it knows the tables, and whoever
/// changes one sees the difference in review. `ARTSTORE_WRITE_SCHEMA=1 swift test --filter SchemaTests` writes it anew.
@Suite struct SchemaTests {
  @Test func theSchemaFileIsWhatTheMigrationsMake() async throws {
    let server = try PrivatePostgres.shared.get()
    let database = try server.createDatabase()
    let pool = PostgresPool(
      PostgresConfiguration(url: server.url(database: database), connectionsMax: 2), time: SystemTime(),
      logger: .silent)
    try await Migrator(pool: pool, migrations: Schema.migrations, logger: .silent).run()
    // Newer pg_dump writes a random word into `\restrict` lines.
    let made = try server.schema(of: database).split(separator: "\n", omittingEmptySubsequences: false)
      .filter { !$0.hasPrefix("\\restrict") && !$0.hasPrefix("\\unrestrict") }.joined(separator: "\n")
    #expect(made.contains("CREATE TABLE public.files"))
    #expect(made.contains("CREATE TABLE public.audit_log"))
    let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
    let path = "/\(root)/schema.sql"
    if ProcessInfo.processInfo.environment["ARTSTORE_WRITE_SCHEMA"] == "1" {
      try SmallFile.write(Array(made.utf8), to: path, for: "schema.sql")
    }
    let written = try SmallFile.read(path, for: "schema.sql")
    let difference = zip(
      written.split(separator: "\n", omittingEmptySubsequences: false),
      made.split(separator: "\n", omittingEmptySubsequences: false)
    ).first { $0 != $1 }
    let place = difference.map { "file: \($0), migrations: \($1)" } ?? "one is longer"
    #expect(written == made, "first difference: \(place); see the comment above this test")
  }

  /// Applying all of them again changes nothing, and their numbers have no gaps.
  @Test func migratingTwiceIsMigratingOnce() async throws {
    let pool = PostgresPool(
      PostgresConfiguration(url: try PrivatePostgres.database(), connectionsMax: 2), time: SystemTime(),
      logger: .silent)
    let migrator = Migrator(pool: pool, migrations: Schema.migrations, logger: .silent)
    #expect(try await migrator.run() == Schema.migrations.count)
    #expect(try await migrator.run() == 0)
  }
}
