import Crypto
import Catalogue
import Core
import HTTP
import Postgres
import StorageAPI
import Synchronization
import Testing

@testable import Fleet

/// Syncs with an appliance that changes, cuts, forgets and lies.
@Suite(.serialized) struct SyncTests {
  private func withAppliance(
    documents: Int = 25, _ body: @escaping @Sendable (FleetWorld, FakeAppliance, StorageElement) async throws -> Void
  ) async throws {
    let world = try await FleetWorld(pageLinesMax: 10)
    let appliance = try FakeAppliance()
    for index in 0..<documents { appliance.store(FakeAppliance.record(name: "\(index).txt")) }
    try await appliance.serve { (url) async throws -> Void in
      try await body(world, appliance, try await world.claim(appliance, url))
    }
  }

  private func active(_ world: FleetWorld) async throws -> Int {
    try await world.fleet.files.totals()["active"]?.files ?? 0
  }

  @Test func firstEverythingThenOnlyWhatChanged() async throws {
    try await withAppliance { (world, appliance, element) async throws -> Void in
      let first = try await world.sync(element)
      #expect(first.kind == .full)
      #expect(first.added == 25)
      #expect(try await active(world) == 25)
      let second = try await world.sync(element)
      #expect(second.kind == .incremental)
      #expect(second.added + second.updated + second.deleted + second.unchanged == 0)
      let fresh = FakeAppliance.record(name: "new.txt")
      appliance.store(fresh)
      let victim = try #require(appliance.state.withLock { $0.documents.keys.first { $0 != fresh.fileID } })
      appliance.purge(victim)
      let third = try await world.sync(element)
      #expect((third.added, third.deleted, third.unchanged) == (1, 1, 0))
      #expect(try await world.fleet.files.entry(victim)?.record.status == .deleted)
      let full = try await world.sync(element, full: true)
      #expect(full.added + full.updated + full.deleted + full.missing == 0)
    }
  }

  @Test func aPageWithoutItsClosingLineIsVoidAndTheNextSyncGoesOn() async throws {
    try await withAppliance { (world, appliance, element) async throws -> Void in
      appliance.state.withLock { $0.cutPages = 1 }
      await #expect(throws: SyncPageError.noClosing) { _ = try await world.sync(element) }
      #expect(try await active(world) == 0)
      #expect(try await world.fleet.registry.get(element.id).lastError?.contains("closing line") == true)
      #expect(try await world.sync(element).added == 25)
      #expect(try await world.fleet.registry.get(element.id).lastError == nil)
    }
  }

  @Test func hostileLinesAreReportedAndNothingIsSweptOnTheirPages() async throws {
    try await withAppliance(documents: 5) { (world, appliance, element) async throws -> Void in
      _ = try await world.sync(element)
      let hidden = try #require(appliance.state.withLock { $0.documents.keys.first })
      appliance.state.withLock { state in
        state.hidden = [hidden]
        state.extraLines = [#"{"op":"put","lsn":"x"}"#]
      }
      let report = try await world.sync(element, full: true)
      #expect(report.rejected >= 1)
      #expect(report.missing == 0)
      #expect(try await world.fleet.files.entry(hidden)?.missingSince == nil)
    }
  }

  @Test func whatALaterListingLacksIsMissingAndComesBack() async throws {
    try await withAppliance { (world, appliance, element) async throws -> Void in
      _ = try await world.sync(element)
      let hidden = try #require(appliance.state.withLock { $0.documents.keys.first })
      appliance.state.withLock { $0.hidden = [hidden] }
      let report = try await world.sync(element, full: true)
      #expect(report.missing == 1)
      #expect(!report.isHeld)
      #expect(try await world.fleet.files.entry(hidden)?.missingSince != nil)
      appliance.state.withLock { $0.hidden = [] }
      #expect(try await world.sync(element, full: true).updated == 1)
      #expect(try await world.fleet.files.entry(hidden)?.missingSince == nil)
    }
  }

  @Test func noMassDeletionByAccident() async throws {
    try await withAppliance(documents: 130) { (world, appliance, element) async throws -> Void in
      _ = try await world.sync(element)
      // Everything seems to be gone: at most a hundred may be marked over all pages before the sync is held.
      appliance.state.withLock { $0.hidden = Set($0.documents.keys) }
      let report = try await world.sync(element, full: true)
      #expect(report.missing == 130)
      #expect(report.isHeld)
      #expect(try await world.fleet.files.totals()["missing"] == nil)
      #expect(try await world.fleet.registry.get(element.id).lossHold)
      // Held stays held, until an administrator accepts it.
      _ = try await world.sync(element, full: true)
      #expect(try await active(world) == 130)
      #expect(try await world.fleet.registry.get(element.id).lossFound == 130)
      appliance.state.withLock { $0.hidden = Set($0.hidden.prefix(40)) }
      #expect(try await world.fleet.registry.acceptLoss(element.id, by: FleetWorld.actor).lossHold == false)
      #expect(try await world.sync(element).missing == 40)
      #expect(try await active(world) == 90)
    }
  }

  @Test func anAcceptedLossIsMarkedHoweverLargeButNoMoreThanIt() async throws {
    try await withAppliance(documents: 260) { (world, appliance, element) async throws -> Void in
      _ = try await world.sync(element)
      let lost = appliance.state.withLock { state in
        state.hidden = Set(state.documents.keys.sorted().prefix(130))
        return state.hidden
      }
      #expect(try await world.sync(element, full: true).isHeld)
      #expect(try await world.fleet.registry.acceptLoss(element.id, by: FleetWorld.actor).lossHold == false)
      let accepted = try await world.sync(element)
      #expect(!accepted.isHeld && accepted.missing == 130)
      #expect(try await active(world) == 130)
      // The acceptance counted once: the next loss is held again.
      appliance.state.withLock { $0.hidden = Set($0.documents.keys) }
      #expect(try await world.sync(element, full: true).isHeld)
      appliance.state.withLock { $0.hidden = lost }
      _ = try await world.fleet.registry.acceptLoss(element.id, by: FleetWorld.actor)
      #expect(try await world.sync(element).missing == 0)
      #expect(try await world.fleet.registry.get(element.id).lossAccepted == 0)
    }
  }

  @Test func whatADeadReplicaLeftIsDueForTheOthers() async throws {
    try await withAppliance { (world, appliance, element) async throws -> Void in
      let sync = world.fleet.sync
      #expect(try await sync.syncDue() == "synced 1 of 1")
      #expect(try await sync.syncDue() == "synced 0 of 0", "nothing is due twice")
      try await world.pool.query("UPDATE storage_elements SET last_sync_at = now() - interval '2 hours'")
      try await world.pool.withConnection { connection in
        let key = "artstore sync \(element.id)"
        try await connection.query("SELECT pg_advisory_lock(hashtextextended(\(key), 0))")
        #expect(try await sync.syncDue() == "synced 0 of 1", "another replica is at it")
        #expect(try await world.fleet.registry.get(element.id).syncFailedAt == nil)
        try await connection.query("SELECT pg_advisory_unlock(hashtextextended(\(key), 0))")
      }
      #expect(try await sync.syncDue() == "synced 1 of 1")
      // One that failed is left alone for a while.
      appliance.state.withLock { $0.cutPages = 1 }
      try await world.pool.query("UPDATE storage_elements SET full_sync_needed = true")
      #expect(try await sync.syncDue() == "synced 0 of 1")
      #expect(try await sync.syncDue() == "synced 0 of 0")
      try await world.pool.query("UPDATE storage_elements SET sync_failed_at = now() - interval '2 minutes'")
      #expect(try await sync.syncDue() == "synced 1 of 1")
    }
  }

  @Test func aNewEpochOnlyReportsUntilTheLossIsAccepted() async throws {
    try await withAppliance { (world, appliance, element) async throws -> Void in
      _ = try await world.sync(element)
      let lost = try #require(appliance.state.withLock { $0.documents.keys.first })
      // Restored from an older copy: a new epoch, one document fewer.
      appliance.state.withLock { state in
        state.epoch = 2
        state.documents[lost] = nil
      }
      let report = try await world.sync(element)
      #expect(report.kind == .full)
      #expect(report.isHeld)
      #expect(report.missing == 1)
      #expect(try await world.fleet.files.entry(lost)?.missingSince == nil)
      #expect(try await world.fleet.registry.get(element.id).syncFault == "loss_held")
      #expect(try await world.trail(element) == ["sync_fault loss_held"])
      _ = try await world.fleet.registry.acceptLoss(element.id, by: FleetWorld.actor)
      #expect(try await world.sync(element).missing == 1)
      #expect(try await world.fleet.files.entry(lost)?.missingSince != nil)
    }
  }

  @Test func aRebuiltIndexMeansAFullSyncWithoutAHold() async throws {
    try await withAppliance { (world, appliance, element) async throws -> Void in
      _ = try await world.sync(element)
      appliance.state.withLock { $0.generation = 2 }
      let report = try await world.sync(element)
      #expect(report.kind == .full)
      #expect(!report.isHeld)
      #expect(report.unchanged >= 25)
    }
  }

  @Test func historyThatWentBackIsNoticed() async throws {
    try await withAppliance { (world, appliance, element) async throws -> Void in
      _ = try await world.sync(element)
      appliance.state.withLock { state in
        state.lsn -= 5
        for (id, document) in state.documents where document.lsn > state.lsn { state.documents[id] = nil }
      }
      #expect(try await world.sync(element).isHeld)
      #expect(try await world.fleet.registry.get(element.id).syncFault == "loss_held")
      #expect(try await world.trail(element) == ["sync_fault loss_held"])
    }
  }

  @Test func oneSyncAtATimeForOneAppliance() async throws {
    try await withAppliance { (world, _, element) async throws -> Void in
      try await world.pool.withConnection { connection in
        let key = "artstore sync \(element.id)"
        try await connection.query("SELECT pg_advisory_lock(hashtextextended(\(key), 0))")
        let error = await #expect(throws: APIError.self) { _ = try await world.sync(element) }
        #expect(error?.code == .conflict)
        try await connection.query("SELECT pg_advisory_unlock(hashtextextended(\(key), 0))")
      }
      #expect(try await world.sync(element).added == 25)
    }
  }

  @Test func anotherAppliancesFileIsNeverTaken() async throws {
    try await withAppliance(documents: 1) { (world, appliance, element) async throws -> Void in
      let thief = try FakeAppliance(storageID: "5c1d9a0e-0000-4000-8000-000000000002")
      let record = try #require(appliance.state.withLock { $0.documents.values.first?.record })
      _ = try await world.sync(element)
      thief.state.withLock { $0.epoch = 900 }
      thief.store(record)
      try await thief.serve { (url) async throws -> Void in
        let taker = try await world.claim(thief, url, name: "thief")
        let report = try await world.sync(taker)
        #expect(report.added == 0)
        #expect(report.rejected >= 1)
        let seen = try await world.fleet.registry.get(taker.id)
        #expect(seen.syncFault == "lines_refused")
        #expect(seen.syncError?.contains("another storage element holds") == true)
        // Its digest holds what was refused, so a repair may have been tried before.
        let trail = try await world.trail(taker).filter { $0 != "digest_repair" }
        #expect(trail == ["sync_fault lines_refused"])
      }
      #expect(try await world.fleet.files.entry(record.fileID)?.applianceID == element.id)
    }
  }

  @Test func anUploadIsRegisteredAtItsPositionAndTheFeedAgrees() async throws {
    try await withAppliance(documents: 0) { (world, appliance, element) async throws -> Void in
      _ = try await world.sync(element)
      let client = try await world.fleet.access(as: .ingester).client(for: element)
      let chunks = Mutex<[[UInt8]]>([Array("ab".utf8), Array("c".utf8)])
      let upload = ApplianceUpload(
        fileID: .random(SystemRandom()), uploadedBy: "sa_x", filename: "имя \"q\".txt", contentType: "text/plain",
        fields: [("description", "ё")],
        body: { chunks.withLock { $0.isEmpty ? nil : $0.removeFirst() } }, lateFields: { [("ttl_days", "3")] })
      let (record, position) = try await client.upload(upload, caller: ApplianceCaller(actsFor: "sa_x"))
      #expect((record.originalFilename, record.size, record.description) == ("имя \"q\".txt", 3, "ё"))
      let place = try #require(RowPosition(position))
      #expect(try await world.fleet.files.put(record, owner: element.id, at: place) == .inserted)
      #expect(try await world.sync(element).unchanged == 1)
      // A refusal leaves the body for the next appliance.
      appliance.state.withLock { $0.refusesUploads = true }
      chunks.withLock { $0 = [[1]] }
      do throws(ApplianceUploadError) {
        _ = try await client.upload(upload, caller: .system)
        Issue.record("a full appliance took an upload")
      } catch {
        #expect(error.error.code == .storageFull)
        #expect(error.isBodyUntouched)
        #expect(chunks.withLock { $0.count } == 1)
      }
    }
  }

  @Test func lazyCleanupNeedsASecondLookAndIsBounded() async throws {
    try await withAppliance(documents: 3) { (world, appliance, element) async throws -> Void in
      _ = try await world.sync(element)
      let id = try #require(appliance.state.withLock { $0.documents.keys.first })
      let entry = try #require(try await world.fleet.files.entry(id))
      #expect(try await world.fleet.registry.reportMissing(entry) == false, "it is there")
      appliance.state.withLock { $0.documents[id] = nil }
      #expect(try await world.fleet.registry.reportMissing(entry))
      #expect(try await world.fleet.files.entry(id)?.missingSince != nil)
    }
  }

  @Test func removalNeedsForceWhileThereAreActiveFiles() async throws {
    try await withAppliance(documents: 2) { (world, _, element) async throws -> Void in
      _ = try await world.sync(element)
      let error = await #expect(throws: APIError.self) {
        try await world.fleet.registry.remove(element.id, force: false, by: FleetWorld.actor)
      }
      #expect(error?.code == .conflict)
      try await world.fleet.registry.remove(element.id, force: true, by: FleetWorld.actor)
      #expect(try await world.fleet.registry.list().isEmpty)
      #expect(try await active(world) == 0)
    }
  }
}
