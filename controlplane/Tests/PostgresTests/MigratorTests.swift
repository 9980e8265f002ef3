import Core
import PostgresTesting
import Telemetry
import Testing

@testable import Postgres

@Suite(.serialized) struct MigratorTests {
  static let first = Migration(
    module: "m", number: 1, name: "one", sql: "CREATE TABLE a (v int); CREATE TABLE b (v int)")
  static let second = Migration(module: "m", number: 2, name: "two", sql: "ALTER TABLE a ADD w int")

  @Test func appliesOnceAndOnlyWhatIsMissing() async throws {
    let pool = try PostgresTests.pool()
    #expect(try await Migrator(pool: pool, migrations: [Self.first], logger: .silent).run() == 1)
    #expect(try await Migrator(pool: pool, migrations: [Self.first, Self.second], logger: .silent).run() == 1)
    #expect(try await Migrator(pool: pool, migrations: [Self.first, Self.second], logger: .silent).run() == 0)
    try await pool.query("INSERT INTO a (v, w) VALUES (1, 2)")
  }

  @Test func replicasTakeTurns() async throws {
    let pool = try PostgresTests.pool()
    let applied = try await withThrowingTaskGroup(of: Int.self) { group in
      for _ in 0..<4 {
        group.addTask { try await Migrator(pool: pool, migrations: [Self.first, Self.second], logger: .silent).run() }
      }
      return try await group.reduce(0, +)
    }
    #expect(applied == 2)
  }

  @Test func aChangedTextIsRefused() async throws {
    let pool = try PostgresTests.pool()
    try await Migrator(pool: pool, migrations: [Self.first], logger: .silent).run()
    let changed = Migration(module: "m", number: 1, name: "one", sql: "CREATE TABLE c (v int)")
    let error = await #expect(throws: PostgresError.self) {
      try await Migrator(pool: pool, migrations: [changed], logger: .silent).run()
    }
    #expect(error?.kind == .migration)
  }

  @Test func aFailedMigrationLeavesNothing() async throws {
    let pool = try PostgresTests.pool()
    let bad = Migration(module: "m", number: 1, name: "bad", sql: "CREATE TABLE a (v int); SELECT 1 / 0")
    await #expect(throws: PostgresError.self) {
      try await Migrator(pool: pool, migrations: [bad], logger: .silent).run()
    }
    #expect(try await Migrator(pool: pool, migrations: [Self.first], logger: .silent).run() == 1)
  }

  @Test func aGapInNumbersIsRefused() async throws {
    let pool = try PostgresTests.pool()
    await #expect(throws: PostgresError.self) {
      try await Migrator(pool: pool, migrations: [Self.second], logger: .silent).run()
    }
  }
}
