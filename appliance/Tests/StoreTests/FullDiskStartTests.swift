import Core
import Disk
import HTTP
import StorageAPI
import Testing

@testable import Store

/// A start whose redo meets a disk without room: what it cannot put in place is served from memory, and put there
/// when there is room (decision 0101).
@Suite struct FullDiskStartTests {
  private struct Stage {
    let fixture: StoreFixture
    let disk: SimulatedDisk
    let large: FileID
    let small: [FileID]
    let removed: FileID
  }

  /// Changes of every kind that the journal has and the tree has not, left by a process that died.
  private func stage(_ seed: UInt64) async throws -> Stage {
    let fixture = try StoreFixture()
    fixture.configuration.smallDocumentBytesMax = 1000
    let disk = SimulatedDisk(seed: seed)
    for name in ["data", "wal"] { try disk.makeTree("\(fixture.root)/\(name)") }
    let store = try fixture.open(disk)
    let removed = try await store.prepared(pattern(300))
    #expect(store.commit([.put(removed), .delete(removed.record.fileID)]) == [nil, nil])
    store.flush()
    fixture.clock.advance(.seconds(10))
    let small = [try await store.prepared(pattern(100)), try await store.prepared(pattern(200))]
    let upload = try store.beginUpload(FileDraft(filename: "large.pdf", uploadedBy: "ivanov"))
    try await upload.write(pattern(5000))
    let large = try await upload.prepare(expected: nil, attributes: nil).document
    fill(disk, fixture)
    #expect(store.commit((small + [large]).map { .put($0) }) == [nil, nil, nil])
    upload.forget()
    #expect(store.commit([.patch(small[1].record.fileID, FilePatch(description: .some("new")))]) == [nil])
    #expect(store.commit([.purge(removed.record.fileID, before: fixture.clock.now())]) == [nil])
    disk.kill()
    return Stage(
      fixture: fixture, disk: disk, large: large.record.fileID, small: small.map(\.record.fileID),
      removed: removed.record.fileID)
  }

  private func fill(_ disk: SimulatedDisk, _ fixture: StoreFixture) {
    disk.faults.failure = .full
    disk.faults.fullBelow = "\(fixture.root)/data"
    disk.faults.fullCalls = .max
    disk.faults.failAt = 1
  }

  private func check(_ store: Store, _ stage: Stage) throws {
    #expect(try store.bytes(stage.large) == pattern(5000))
    for (place, id) in stage.small.enumerated() { #expect(try store.bytes(id) == pattern(100 * (place + 1))) }
    #expect(try store.record(stage.small[1])?.description == "new")
    #expect(try store.record(stage.removed) == nil)
  }

  @Test(arguments: 0..<6) func whatFindsNoRoomIsServedAndPutInPlaceLater(_ seed: UInt64) async throws {
    let stage = try await stage(seed)
    var store: Store
    // More than one life without room, ended both ways.
    for isPowerCut in [false, true] {
      fill(stage.disk, stage.fixture)
      store = try stage.fixture.open(stage.disk)
      #expect(store.missingAtStart.isEmpty && store.readOnlyReason == nil)
      try check(store, stage)
      store.step()
      store.keeper.run()
      #expect(await code { try await store.prepared(pattern(1)) } == .storageFull)
      #expect(store.commit([.patch(stage.small[0], FilePatch(description: .some("too")))]) == [nil])
      #expect(store.summary.checkpointLSN < store.summary.lastLSN - 4, "what is not in place is not checked in")
      if isPowerCut { stage.disk.cutPower() } else { stage.disk.kill() }
    }
    fill(stage.disk, stage.fixture)
    store = try stage.fixture.open(stage.disk)
    try check(store, stage)
    stage.disk.faults = SimulatedDisk.FaultPlan()
    // Room returns while it runs.
    store.flush()
    #expect(store.summary.unplacedBytes == 0)
    _ = try await store.prepared(pattern(1))
    stage.disk.cutPower()
    store = try stage.fixture.open(stage.disk)
    try check(store, stage)
    #expect(stage.disk.files(below: "\(stage.fixture.root)/data/files").count == 6)
    #expect(stage.disk.files(below: "\(stage.fixture.root)/data/staging").isEmpty)
  }
}
