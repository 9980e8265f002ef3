import Catalogue
import Core
import Postgres
import StorageAPI
import Synchronization
import Testing

@testable import Fleet

/// The catalogue proves that it holds what an appliance holds, and mends what it does not.
@Suite(.serialized) struct DigestTests {
  @Test func equalAtAPositionAndWhatDiffersIsRepaired() async throws {
    let world = try await FleetWorld()
    let appliance = try FakeAppliance()
    for index in 0..<40 { appliance.store(FakeAppliance.record(name: "\(index).txt")) }
    let body: @Sendable (String) async throws -> Void = { url in
      let element = try await world.claim(appliance, url)
      #expect(try await world.sync(element).digest == .equal)
      let proven = try #require(try await world.fleet.registry.get(element.id).provenEqualAt)
      // Within the hour an incremental sync compares nothing.
      #expect(try await world.sync(element).digest == nil)
      // Somebody's hand in the table: a row changed, a row gone.
      try await world.pool.query(
        """
        UPDATE files SET description = 'spoiled', digest_low = digest_low + 1
        WHERE file_id = (SELECT min(file_id::text)::uuid FROM files)
        """)
      try await world.pool.query("DELETE FROM files WHERE file_id = (SELECT max(file_id::text)::uuid FROM files)")
      appliance.state.withLock { $0.ranges = [] }
      try await world.pool.query("UPDATE storage_elements SET digest_checked_at = now() - interval '2 hours'")
      let repaired = try await world.sync(element)
      #expect(repaired.kind == .incremental)
      #expect((repaired.updated, repaired.added, repaired.digest) == (1, 1, .equal))
      let ranges = appliance.state.withLock { $0.ranges }
      #expect(ranges.count <= 2 && ranges.allSatisfy { $0.until.high - $0.after.high <= 1 << 56 })
      let after = try await world.fleet.registry.get(element.id)
      #expect(after.digestBucketsDifferent == 0 && after.provenEqualAt.map { $0 > proven } == true)
      #expect(try await world.trail(element) == ["digest_repair"])
    }
    try await appliance.serve { (url) async throws -> Void in try await body(url) }
  }

  @Test func whatCannotBeRepairedIsSaid() async throws {
    let world = try await FleetWorld()
    let appliance = try FakeAppliance()
    for index in 0..<12 { appliance.store(FakeAppliance.record(name: "\(index).txt")) }
    let body: @Sendable (String) async throws -> Void = { url in
      let element = try await world.claim(appliance, url)
      appliance.state.withLock { $0.digestLie = 1 }
      #expect(try await world.sync(element).digest == .different)
      let seen = try await world.fleet.registry.get(element.id)
      #expect(seen.syncFault == "unequal" && seen.provenEqualAt == nil && seen.digestBucketsDifferent == 1)
      appliance.state.withLock { $0.digestLie = 0 }
      #expect(try await world.sync(element).digest == .equal)
      #expect(try await world.fleet.registry.get(element.id).syncFault == nil)
      #expect(try await world.trail(element) == ["digest_repair", "sync_fault unequal", "sync_recovered"])
    }
    try await appliance.serve { (url) async throws -> Void in try await body(url) }
  }

  /// Rows beyond the digest's position make the two incomparable, not different.
  @Test func aCatalogueThatIsAheadIsNotCompared() async throws {
    let world = try await FleetWorld()
    let appliance = try FakeAppliance()
    appliance.store(FakeAppliance.record())
    let body: @Sendable (String) async throws -> Void = { url in
      let element = try await world.claim(appliance, url)
      #expect(try await world.sync(element).digest == .equal)
      let ahead = FakeAppliance.record(name: "registered first.txt")
      _ = try await world.fleet.files.put(ahead, owner: element.id, at: RowPosition(epoch: 1, lsn: 2))
      #expect(try await world.sync(element, full: true).digest == nil)
      appliance.store(ahead)
      #expect(try await world.sync(element, full: true).digest == .equal, "a registration has the appliance's digest")
    }
    try await appliance.serve { (url) async throws -> Void in try await body(url) }
  }
}

/// How fast a site may be read.
@Suite struct SyncPaceTests {
  @Test func bytesAreDueAtTheRate() async throws {
    let unbounded = SyncPace(bytesPerSecond: nil, time: SystemTime())
    try await unbounded.passed(1 << 40)
    #expect(unbounded.lines(most: 5000) == 5000)
    let pace = SyncPace(bytesPerSecond: 1_000_000, time: SystemTime())
    let began = SystemTime().uptime()
    for _ in 0..<5 { try await pace.passed(20_000) }
    #expect(SystemTime().uptime() - began >= .milliseconds(98))
    #expect(SyncPace(bytesPerSecond: 8000, time: SystemTime()).lines(most: 5000) == 133)
    #expect(SyncPace(bytesPerSecond: 1024, time: SystemTime()).lines(most: 5000) == 50)
  }
}
