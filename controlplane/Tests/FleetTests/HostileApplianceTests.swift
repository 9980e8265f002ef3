import Catalogue
import Core
import HTTP
import Postgres
import PostgresTesting
import StorageAPI
import Synchronization
import Testing

@testable import Fleet

/// An appliance that lies, breaks or is somebody else: each time the state is in the registry and in the audit trail,
/// and nothing is marked missing that is there.
@Suite(.serialized) struct HostileApplianceTests {
  private func withAppliance(
    documents: Int = 25, world: FleetWorld? = nil, feedPagesMax: Int = 1000,
    _ body: @escaping @Sendable (FleetWorld, FakeAppliance, StorageElement) async throws -> Void
  ) async throws {
    let world = if let world { world } else { try await FleetWorld(feedPagesMax: feedPagesMax) }
    let appliance = try FakeAppliance()
    for index in 0..<documents { appliance.store(FakeAppliance.record(name: "\(index).txt")) }
    try await appliance.serve { (url) async throws -> Void in
      let element = try await world.claim(appliance, url)
      #expect(try await world.sync(element).added == documents)
      try await body(world, appliance, element)
    }
  }

  private static func fault(_ world: FleetWorld, _ element: StorageElement) async throws -> String? {
    try await world.fleet.registry.get(element.id).syncFault
  }

  private static func untouched(_ world: FleetWorld, _ count: Int = 25) async throws {
    #expect(try await world.fleet.files.totals()["active"]?.files == count)
    #expect((try await world.fleet.files.totals()["missing"]?.files ?? 0) == 0)
  }

  /// Lines spoiled in a listing that lists one document fewer: nothing is swept, the sync ends, the state says why.
  @Test func spoiledLinesAreRefusedAndNothingIsSwept() async throws {
    let spoilers: [(String, @Sendable ([String]) -> [String])] = [
      ("wrong types", { $0.map { $0.replacing(#""size":3"#, with: #""size":"three""#) } }),
      ("malformed JSON", { $0.count > 1 ? ["{\"op\":\"put\",\"lsn\":3,\"record\":{"] + $0.dropFirst() : $0 }),
      (
        "10 MB line", { $0.count > 10 ? ["{\"op\":\"" + String(repeating: "x", count: 10 << 20)] + $0.dropFirst() : $0 }
      ),
      ("duplicate ids", { $0.count > 2 ? [$0[0], $0[0]] + $0.dropFirst(2) : $0 }),
      ("PostgreSQL refuses it", { [$0[0].replacing("2026-", with: "0000-")] + $0.dropFirst() }),
    ]
    try await withAppliance { (world, appliance, element) async throws -> Void in
      for (name, spoil) in spoilers {
        appliance.state.withLock { $0.tamper = spoil }
        let report = try await world.sync(element, full: true)
        #expect(report.rejected > 0, "\(name)")
        #expect(report.missing == 0, "\(name)")
        #expect(try await Self.fault(world, element) == "lines_refused", "\(name)")
        try await Self.untouched(world)
        appliance.state.withLock { $0.tamper = nil }
        #expect(try await world.sync(element, full: true).rejected == 0, "\(name)")
        #expect(try await Self.fault(world, element) == nil, "\(name)")
      }
      let once = ["sync_fault lines_refused", "sync_recovered"]
      #expect(try await world.trail(element) == Array(repeating: once, count: spoilers.count).flatMap { $0 })
    }
  }

  /// Pages that cannot be believed as a whole, in the listing: void, nothing of them stays.
  @Test func voidPagesChangeNothing() async throws {
    let end = #"{"cursor":"\#(Position(epoch: 1, generation: 1, incarnation: 5, lsn: 25).cursor)","more":true}"#
    let cases: [(String, String, @Sendable ([String]) -> [String])] = [
      ("cut", "cut", { Array($0.dropLast()) }),
      ("never advances", "bad_page", { _ in [end] }),
      ("goes on behind its end", "bad_page", { $0 + [$0[0]] }),
      ("more lines than asked for", "bad_page", { Array(repeating: $0[0], count: 12) + $0 }),
      ("changes of the future", "bad_page", { $0.map { $0.replacing(#""lsn":1"#, with: #""lsn":900000000000001"#) } }),
      ("no cursor", "bad_page", { $0.dropLast() + [#"{"cursor":"AAAA","more":false}"#] }),
    ]
    try await withAppliance { (world, appliance, element) async throws -> Void in
      for (name, fault, spoil) in cases {
        appliance.state.withLock { $0.tamper = spoil }
        await #expect(throws: SyncPageError.self, "\(name)") { try await world.sync(element, full: true) }
        #expect(try await Self.fault(world, element) == fault, "\(name)")
        try await Self.untouched(world)
      }
      appliance.state.withLock { $0.tamper = nil }
      let last = try await world.sync(element, full: true)
      #expect((last.added, last.updated, last.missing, last.digest) == (0, 0, 0, .equal))
      #expect(try await Self.fault(world, element) == nil)
      #expect(try await world.trail(element) == ["sync_fault cut", "sync_fault bad_page", "sync_recovered"])
    }
  }

  @Test func aFeedThatNeverEndsDoesNotKeepTheJob() async throws {
    try await withAppliance(feedPagesMax: 5) { (world, appliance, element) async throws -> Void in
      let record = FakeAppliance.record(name: "again.txt")
      appliance.state.withLock { state in
        state.tamper = { lines in
          // Each page brings the same document, one step further, and says that there is more.
          let closing = lines.last!.split(separator: "\"")[3]
          let position = Position(cursor: String(closing))!
          let lsn = position.lsn + 1
          let next = Position(epoch: 1, generation: 1, incarnation: 5, lsn: lsn)
          return [
            #"{"op":"put","lsn":\#(lsn),"record":\#(String(decoding: record.json, as: UTF8.self))}"#,
            #"{"cursor":"\#(next.cursor)","more":true}"#,
          ]
        }
        state.lsn += 100
        state.followsAnyPosition = true
      }
      await #expect(throws: SyncPageError.endless) { try await world.sync(element) }
      #expect(try await Self.fault(world, element) == "endless")
      try await Self.untouched(world, 26)
      // A feed that says there is more and brings nothing is not even that.
      appliance.state.withLock { $0.tamper = { [$0.last!.replacing("false", with: "true")] } }
      await #expect(throws: SyncPageError.stuck) { try await world.sync(element) }
      #expect(try await world.trail(element) == ["sync_fault endless", "sync_fault bad_page"])
    }
  }

  @Test func vanishingInTheMiddleOfAPageIsResumed() async throws {
    try await withAppliance { (world, appliance, element) async throws -> Void in
      appliance.state.withLock { $0.vanishes = 1 }
      await #expect(throws: (any Error).self) { try await world.sync(element, full: true) }
      // Which of the two depends on whether the head of the answer came through.
      let fault = try #require(try await Self.fault(world, element))
      #expect(["cut", "unreachable"].contains(fault))
      try await Self.untouched(world)
      let report = try await world.sync(element, full: true)
      #expect((report.added, report.missing, report.unchanged >= 25) == (0, 0, true))
      #expect(try await world.trail(element) == ["sync_fault \(fault)", "sync_recovered"])
    }
  }

  /// The rest of the id space is cut into ranges; what a sync had listed before it was interrupted is not listed again.
  @Test func anInterruptedFullSyncGoesOnWithItsRanges() async throws {
    try await withAppliance(documents: 60) { (world, appliance, element) async throws -> Void in
      appliance.state.withLock { state in
        state.ranges = []
        state.failsAfterPages = 6
      }
      await #expect(throws: (any Error).self) { try await world.sync(element, full: true) }
      let first = appliance.state.withLock { state in
        state.failsAfterPages = nil
        defer { state.ranges = [] }
        return state.ranges
      }
      let report = try await world.sync(element)
      let second = appliance.state.withLock { $0.ranges }
      #expect(report.kind == .full && report.digest == .equal && report.missing == 0)
      #expect(second.allSatisfy { $0.after > FileID.lowest }, "it began anew")
      #expect(first.count + second.count <= 16 + 6 + 4)
      try await Self.untouched(world, 60)
    }
  }

  @Test func aRestoredBackupMarksNothingUntilItIsAccepted() async throws {
    try await withAppliance { (world, appliance, element) async throws -> Void in
      // Ten documents of the backup changed afterwards; five came after it.
      let backup = appliance.state.withLock { state in (state.documents, state.lsn) }
      for document in backup.0.values.prefix(10) {
        var record = document.record
        record.description = "newer"
        appliance.store(record)
      }
      for index in 0..<5 { appliance.store(FakeAppliance.record(name: "late \(index).txt")) }
      #expect(try await world.sync(element).added == 5)
      appliance.state.withLock { ($0.documents, $0.lsn) = backup }
      let report = try await world.sync(element)
      #expect(report.kind == .full && report.isHeld)
      #expect(try await Self.fault(world, element) == "loss_held")
      try await Self.untouched(world, 30)
      // Accepted: from now on the appliance's word counts, older records and all.
      _ = try await world.fleet.registry.acceptLoss(element.id, by: FleetWorld.actor)
      var last = try await world.sync(element)
      if last.isHeld {
        // What lies beyond the appliance's history was only found by this sweep.
        _ = try await world.fleet.registry.acceptLoss(element.id, by: FleetWorld.actor)
        last = try await world.sync(element)
      }
      #expect(!last.isHeld && last.digest == .equal)
      #expect(try await world.fleet.files.totals()["active"]?.files == 25)
      #expect(try await world.fleet.files.totals()["missing"]?.files == 5)
      #expect(try await world.trail(element).contains("sync_fault loss_held"))
      #expect(try await world.trail(element).last == "sync_recovered")
    }
  }

  @Test func aNewHistoryInTheMiddleOfASyncBeginsAnewAndHolds() async throws {
    try await withAppliance(documents: 60) { (world, appliance, element) async throws -> Void in
      appliance.state.withLock { state in
        state.ranges = []
        state.newEpochAfterPages = 3
      }
      await #expect(throws: SyncPageError.otherEpoch) { try await world.sync(element, full: true) }
      #expect(try await Self.fault(world, element) == "history_changed")
      #expect(try await world.fleet.registry.get(element.id).lossHold)
      try await Self.untouched(world, 60)
      let report = try await world.sync(element)
      #expect(report.kind == .full && report.isHeld && report.missing == 0)
      try await Self.untouched(world, 60)
      #expect(try await Self.fault(world, element) == "loss_held")
      #expect(try await world.trail(element) == ["sync_fault history_changed", "sync_fault loss_held"])
    }
  }

  @Test func anotherCertificateIsNotListenedTo() async throws {
    try await withAppliance { (world, appliance, element) async throws -> Void in
      // Somebody else at the address, with the name of the one that was claimed.
      let stranger = try FakeAppliance(storageID: appliance.storageID)
      try await stranger.serve { (url) async throws -> Void in
        _ = try await world.fleet.registry.update(element.id, url: url, by: FleetWorld.actor)
        let error = await #expect(throws: APIError.self) { try await world.fleet.sync.sync(element.id, full: true) }
        #expect(error?.code == .storageElementUnavailable)
        #expect(try await Self.fault(world, element) == "untrusted")
        try await Self.untouched(world)
        #expect(try await world.trail(element) == ["sync_fault untrusted"])
      }
    }
  }

  @Test func postgresRestartedInTheMiddleOfASync() async throws {
    let server = try PrivatePostgres()
    let world = try await FleetWorld(url: server.url(database: try server.createDatabase()))
    try await withAppliance(documents: 60, world: world) { (world, appliance, element) async throws -> Void in
      appliance.state.withLock { state in
        state.ranges = []
        state.beforePage = {
          let count = appliance.state.withLock { $0.ranges.count }
          if count == 4 { try server.restart() }
        }
      }
      await #expect(throws: (any Error).self) { try await world.sync(element, full: true) }
      appliance.state.withLock { $0.beforePage = nil }
      // This server does not sync its log: it may have forgotten that a full sync was begun.
      let report = try await world.sync(element, full: true)
      #expect(report.added == 0 && report.missing == 0 && report.digest == .equal)
      try await Self.untouched(world, 60)
      #expect(try await Self.fault(world, element) == nil)
      #expect(try await world.trail(element) == ["sync_fault database", "sync_recovered"])
    }
  }
}
