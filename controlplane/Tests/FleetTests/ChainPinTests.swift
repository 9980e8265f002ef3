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
      #expect(problem.contains("LSN 49"), "\(problem)")
      #expect(try await world.fleet.registry.view(element.id).journalProblem == problem)
      // The end was cut off and written anew: the next sync sees it, pins nothing, and says it once.
      appliance.state.withLock { $0.chain = honest.dropLast() + [SHA256.digest([98])] }
      _ = try await world.sync(element)
      _ = try await world.sync(element)
      #expect(try await pins(world, element) == 7)
      #expect(try await world.fleet.registry.view(element.id).journalProblem?.contains("LSN 79") == true)
      var filter = AuditFilter()
      filter.action = "journal.rewritten"
      #expect(try await world.identity.audit.list(filter, limit: 10).total == 2)
      // What is pruned cannot be held against it; but then pruning must say so.
      appliance.state.withLock { state in
        state.chain = honest
        state.firstSegment = 8
        state.prunedLSN = 69
      }
      #expect(try await verdict(world) == .sound(pins: 2))
      appliance.state.withLock { $0.prunedLSN = 60 }
      guard case .rewritten(let problem)? = try await verdict(world) else {
        Issue.record("archives that were taken away were not missed")
        return
      }
      #expect(problem.contains("LSN 60"), "\(problem)")
      #expect(try await world.identity.audit.verify().isWhole)
    }
  }

  /// A journal that grows slowly would have nothing to pin for months.
  @Test func theJournalIsSealedAtEachSyncWhereItsVersionCan() async throws {
    let world = try await FleetWorld()
    let appliance = try FakeAppliance()
    try await appliance.serve { (url) async throws -> Void in
      let element = try await world.claim(appliance, url)
      _ = try await world.sync(element)
      #expect(appliance.state.withLock { $0.seals } == 1)
      appliance.state.withLock { state in
        state.knowsSeals = false
        state.chain.append(SHA256.digest([10]))
      }
      _ = try await world.sync(element)
      #expect(appliance.state.withLock { $0.seals } == 2)
      #expect(try await pins(world, element) == 2, "an older version is pinned at what it shows")
    }
  }

  /// Heads that fit say what the bytes were, not what they are.
  @Test func changedBytesUnderHonestHeadsAreFoundByReadingThem() async throws {
    let world = try await FleetWorld()
    let appliance = try FakeAppliance()
    try await appliance.serve { (url) async throws -> Void in
      let element = try await world.claim(appliance, url)
      appliance.state.withLock { $0.chain += (1...4).map { SHA256.digest([$0]) } }
      _ = try await world.sync(element)
      #expect(try await world.fleet.verifyAudit(contents: true).isSound)
      appliance.state.withLock { $0.changedSegments[2] = SHA256.digest([66]) }
      #expect(try await verdict(world) == .sound(pins: 1), "the heads alone fit")
      let found = try await world.fleet.verifyAudit(contents: true)
      #expect(!found.isSound && found.log.isWhole)
      #expect(found.journals.first?.verdict.about.contains("segment 2") == true)
      let json = String(decoding: JSONWriter.document { found.write(to: &$0) }, as: UTF8.self)
      #expect(json.contains(#""sound":false"#) && json.contains(#""verdict":"rewritten""#), "\(json)")
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
