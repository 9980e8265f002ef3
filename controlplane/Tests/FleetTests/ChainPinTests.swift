import Catalogue
import Core
import Crypto
import Identity
import Postgres
import StorageAPI
import Synchronization
import Testing

@testable import Fleet

@Suite(.serialized) struct ChainPinTests {
  private func pins(_ world: FleetWorld, _ element: StorageElement) async throws -> Int {
    var filter = AuditFilter()
    filter.action = "journal.pin"
    filter.target = element.id.description
    return try await world.identity.audit.list(filter, limit: 100).total
  }

  private func verdict(_ world: FleetWorld) async throws -> JournalVerdict? {
    try await world.fleet.verifyJournals().first?.verdict
  }

  @Test func headsArePinnedInTheAuditChainAndARewrittenJournalIsFound() async throws {
    let world = try await FleetWorld()
    let appliance = try FakeAppliance()
    try await appliance.serve { (url) async throws -> Void in
      let element = try await world.claim(appliance, url)
      #expect(try await verdict(world) == .unchecked("nothing is pinned for its present life"))
      for round in 0..<7 {
        appliance.state.withLock { state in
          state.chain.append(SHA256.digest([UInt8(10 + round)]))
          state.lsn += 10
        }
        _ = try await world.sync(element)
        _ = try await world.sync(element)
      }
      #expect(try await pins(world, element) == 7, "one for each head, however often it is looked at")
      #expect(try await verdict(world) == .sound(pins: 7))
      #expect(try await world.fleet.registry.view(element.id).journalProblem == nil)
      // One segment in the middle is not what it was.
      let honest = appliance.state.withLock { $0.chain }
      appliance.state.withLock { $0.chain[5] = SHA256.digest([99]) }
      guard case .rewritten(let problem)? = try await verdict(world) else {
        Issue.record("the rewritten journal was not found")
        return
      }
      #expect(problem.contains("LSN 40"), "\(problem)")
      #expect(try await world.fleet.registry.view(element.id).journalProblem == problem)
      // The end was cut off and written anew: the next sync sees it, pins nothing, and says it once.
      appliance.state.withLock { $0.chain = honest.dropLast() + [SHA256.digest([98])] }
      _ = try await world.sync(element)
      _ = try await world.sync(element)
      #expect(try await pins(world, element) == 7)
      #expect(try await world.fleet.registry.view(element.id).journalProblem?.contains("LSN 70") == true)
      var filter = AuditFilter()
      filter.action = "journal.rewritten"
      #expect(try await world.identity.audit.list(filter, limit: 10).total == 2)
      // What is pruned cannot be held against it.
      appliance.state.withLock { $0.prunedLSN = 70 }
      #expect(try await verdict(world) == .sound(pins: 7))
      #expect(try await world.identity.audit.verify().isWhole)
    }
  }

  /// Whoever can write to the database, but has no master key, cannot make the pins fit a rewritten journal.
  @Test func aPinChangedInTheDatabaseBreaksTheAuditChain() async throws {
    let world = try await FleetWorld()
    let appliance = try FakeAppliance()
    try await appliance.serve { (url) async throws -> Void in
      _ = try await world.sync(try await world.claim(appliance, url))
      let changed = SHA256.digest([77])
      appliance.state.withLock { $0.chain = [$0.chain[0], changed] }
      try await world.pool.query("UPDATE fleet_chain_pins SET chain_head = \(changed.description)")
      try await world.pool.query(
        """
        UPDATE audit_log SET details = jsonb_set(details, '{chain_head}', to_jsonb(\(changed.description)))
        WHERE action = 'journal.pin'
        """)
      #expect(try await world.identity.audit.verify().isWhole == false)
    }
  }

  @Test func aNewLifeBeginsANewChain() async throws {
    let world = try await FleetWorld()
    let appliance = try FakeAppliance()
    try await appliance.serve { (url) async throws -> Void in
      let element = try await world.claim(appliance, url)
      _ = try await world.sync(element)
      appliance.state.withLock { state in
        state.epoch = 2
        state.chain = [Checksum(bytes: Array(repeating: 0, count: 32))!, SHA256.digest([55])]
      }
      _ = try await world.sync(element)
      #expect(try await verdict(world) == .sound(pins: 1))
      var filter = AuditFilter()
      filter.action = "journal.pin"
      let newest = try await world.identity.audit.list(filter, limit: 1).items.first
      #expect(newest?.entry.details["previous_epoch"] == .integer(1))
    }
  }
}
