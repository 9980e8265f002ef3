import Core
import Postgres
import StorageAPI
import Testing

@testable import Catalogue

/// Applying pages of a listing or a feed.
@Suite(.serialized) struct SyncApplyTests {
  @Test func aPageIsAppliedOnceAndThenUnchanged() async throws {
    let world = try await CatalogueWorld()
    let rows = (0..<50).map { SyncRow(put: world.record(name: "f\($0).pdf"), lsn: Int64($0 + 1)) }
    #expect(try await world.apply(rows).counts.added == 50)
    let again = try await world.apply(rows).counts
    #expect(again.unchanged == 50)
    #expect(again.added + again.updated + again.deleted == 0)
    let first = try JSON.decode(FileRecord.self, from: rows[0].record ?? [])
    #expect(try await world.files.entry(first.fileID)?.record == first)
  }

  @Test func duplicateIDsInOnePageTakeTheHighestPosition() async throws {
    let world = try await CatalogueWorld()
    var record = world.record()
    let old = SyncRow(put: record, lsn: 3)
    record.description = "newer"
    let counts = try await world.apply([SyncRow(put: record, lsn: 7), old, old]).counts
    #expect(counts.added == 1)
    #expect(try await world.files.entry(record.fileID)?.record.description == "newer")
  }

  @Test func aRowPostgresRefusesIsLeftOutAndTheRestApplied() async throws {
    let world = try await CatalogueWorld()
    var rows = (0..<20).map { SyncRow(put: world.record(name: "f\($0).pdf"), lsn: Int64($0 + 1)) }
    let bad = world.record(name: "zero\0byte")
    rows.insert(SyncRow(put: bad, lsn: 30), at: 9)
    let counts = try await world.apply(rows).counts
    #expect(counts.added == 20)
    #expect(counts.rejected == 1)
    #expect(try await world.files.entry(bad.fileID) == nil)
  }

  @Test func bytesThatAreNotTheAppliancesAreWrittenAgainAtTheSamePosition() async throws {
    let world = try await CatalogueWorld()
    let record = world.record()
    let row = SyncRow(put: record, lsn: 3)
    _ = try await world.apply([row])
    try await world.pool.query("UPDATE files SET description = 'spoiled', digest_low = digest_low + 1")
    #expect(try await world.apply([row]).counts.updated == 1)
    #expect(try await world.files.entry(record.fileID)?.record == record)
    #expect(try await world.apply([row]).counts.unchanged == 1)
    // A registration is not believed that much.
    try await world.pool.query("UPDATE files SET digest_low = digest_low + 1")
    #expect(try await world.files.put(record, owner: world.owner, at: world.at(3)) == .stale)
  }

  @Test func aSweepMarksOnlyInsideItsBoundsAndItsPosition() async throws {
    let world = try await CatalogueWorld()
    let ids = (0..<4).map { FileID(high: UInt64($0 + 1) << 60, low: 1) }
    for (index, id) in ids.enumerated() {
      _ = try await world.files.put(world.record(id), owner: world.owner, at: world.at(Int64(index) * 10 + 10))
    }
    let foreign = FileID(high: 2 << 60, low: 2)
    _ = try await world.files.put(world.record(foreign), owner: world.other, at: world.at(1))
    // The page covers the first three ids, stands for LSN 25, and lists only the first.
    let sweep = SyncSweep(after: .lowest, through: ids[2], position: world.at(25))
    let (counts, marked) = try await world.apply(
      [SyncRow(put: world.record(ids[0]), lsn: 10)], sweep: sweep, budget: 10)
    #expect(counts.missing == 1)
    #expect(marked == 1)
    #expect(try await world.files.entry(ids[1])?.missingSince != nil)
    #expect(try await world.files.entry(ids[2])?.missingSince == nil, "LSN 30 is newer than the page")
    #expect(try await world.files.entry(ids[3])?.missingSince == nil, "outside the page's bounds")
    #expect(try await world.files.entry(foreign)?.missingSince == nil, "another owner's")
  }

  @Test func aSweepBeyondItsBudgetMarksNothing() async throws {
    let world = try await CatalogueWorld()
    for index in 0..<5 {
      _ = try await world.files.put(world.record(name: "\(index)"), owner: world.owner, at: world.at(1))
    }
    let sweep = SyncSweep(after: .lowest, through: .highest, position: world.at(9))
    let (counts, marked) = try await world.apply([], sweep: sweep, budget: 4)
    #expect(counts.missing == 5)
    #expect(marked == 0)
    #expect(try await world.files.totals()["missing"] == nil)
  }

  @Test func countersFollowEveryWrite() async throws {
    let world = try await CatalogueWorld()
    let record = world.record(size: 100)
    _ = try await world.files.put(record, owner: world.owner, at: world.at(1))
    _ = try await world.files.put(world.record(size: 11), owner: world.other, at: world.at(1))
    #expect(try await world.files.totals()["active"] == FileTotals(files: 2, bytes: 111))
    #expect(try await world.files.totals(owner: world.owner)["active"] == FileTotals(files: 1, bytes: 100))
    _ = try await world.files.markMissing(record.fileID, owner: world.owner, ifStillAt: world.at(1))
    #expect(try await world.files.totals()["missing"]?.files == 1)
    #expect(try await world.elements.remove(world.owner))
    #expect(try await world.files.totals()["active"] == FileTotals(files: 1, bytes: 11))
    #expect(try await world.files.entry(record.fileID) == nil)
  }
}
