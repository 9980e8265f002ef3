import Core
import StorageAPI
import Testing

@testable import Catalogue
@testable import Postgres

/// A storage element can be removed while a sync or an upload adds rows of it.
@Suite(.serialized) struct RemovalTests {
  @Test(.timeLimit(.minutes(1))) func itWaitsForRowsThatAreBeingAdded() async throws {
    let world = try await CatalogueWorld()
    let record = world.record()
    let removal = try await world.pool.transaction { connection in
      _ = try await world.apply([SyncRow(put: record, lsn: 5)], on: connection)
      return try await blockedRemoval(in: world)
    }
    #expect(try await removal.value)
    #expect(try await world.files.entry(record.fileID) == nil)
    #expect(try await world.elements.element(world.owner) == nil)
  }

  @Test(.timeLimit(.minutes(1))) func aDeadlockWithASyncIsNoFailure() async throws {
    let world = try await CatalogueWorld()
    try await world.elements.unreachable(world.owner, "away")
    let removal = try await world.pool.transaction { connection in
      // The removal is the one that PostgreSQL ends.
      try await connection.query("SET LOCAL deadlock_timeout = '50s'")
      try await connection.query("UPDATE storage_element_health SET error = 'far away'")
      let removal = try await blockedRemoval(in: world)
      try await connection.query("UPDATE storage_elements SET updated_at = now() WHERE id = \(world.owner)")
      return removal
    }
    #expect(try await removal.value)
    #expect(try await world.elements.element(world.owner) == nil)
  }

  /// A removal that was begun, once PostgreSQL says that it waits for a lock.
  private func blockedRemoval(in world: CatalogueWorld) async throws -> Task<Bool, any Error> {
    let removal = Task { try await world.elements.remove(world.owner) }
    let waiting: Query =
      "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    while try await world.pool.query(waiting).scalar(Int.self) == 0 { await Task.yield() }
    return removal
  }
}
