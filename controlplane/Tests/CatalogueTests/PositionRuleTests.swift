import Core
import StorageAPI
import Testing

@testable import Catalogue

/// A write applies only for the same owner and a higher position; tombstones stay.
@Suite(.serialized) struct PositionRuleTests {
  @Test func aRecordComesBackAsItWas() async throws {
    let world = try await CatalogueWorld()
    let record = world.record()
    #expect(try await world.files.put(record, owner: world.owner, at: world.at(5)) == .inserted)
    let entry = try #require(try await world.files.entry(record.fileID))
    #expect(entry.record == record)
    #expect(entry.applianceID == world.owner)
    #expect(entry.position == world.at(5))
  }

  @Test func aLowerOrEqualPositionIsStale() async throws {
    let world = try await CatalogueWorld()
    var record = world.record()
    _ = try await world.files.put(record, owner: world.owner, at: world.at(5))
    record.description = "changed"
    #expect(try await world.files.put(record, owner: world.owner, at: world.at(5)) == .stale)
    #expect(try await world.files.put(record, owner: world.owner, at: world.at(4)) == .stale)
    #expect(try await world.files.entry(record.fileID)?.record.description != "changed")
    #expect(try await world.files.put(record, owner: world.owner, at: world.at(6)) == .updated)
    #expect(try await world.files.entry(record.fileID)?.record.description == "changed")
  }

  @Test func aHigherEpochBeatsAnyLSN() async throws {
    let world = try await CatalogueWorld()
    let record = world.record()
    _ = try await world.files.put(record, owner: world.owner, at: world.at(500))
    #expect(try await world.files.put(record, owner: world.owner, at: world.at(1, epoch: 2)) == .updated)
    #expect(try await world.files.put(record, owner: world.owner, at: world.at(501)) == .stale)
  }

  @Test func anotherOwnerIsRefusedWhateverItsPosition() async throws {
    let world = try await CatalogueWorld()
    let record = world.record()
    _ = try await world.files.put(record, owner: world.owner, at: world.at(5))
    #expect(try await world.files.put(record, owner: world.other, at: world.at(900, epoch: 9)) == .foreignOwner)
    #expect(try await world.files.tombstone(record.fileID, owner: world.other, at: world.at(900)) == .foreignOwner)
    #expect(try await world.files.entry(record.fileID)?.applianceID == world.owner)
    let counts = try await world.apply(
      [SyncRow(put: record, lsn: 900), SyncRow(delete: record.fileID, lsn: 901)], owner: world.other, epoch: 9
    ).counts
    #expect(counts.foreign == 1)
    #expect(try await world.files.entry(record.fileID)?.record.status == .active)
  }

  @Test func tombstonesStay() async throws {
    let world = try await CatalogueWorld()
    let record = world.record()
    // The purge is heard of before the registration, which then comes too late.
    #expect(try await world.files.tombstone(record.fileID, owner: world.owner, at: world.at(9)) == .inserted)
    #expect(try await world.files.put(record, owner: world.owner, at: world.at(8)) == .stale)
    #expect(try await world.files.entry(record.fileID)?.record.status == .deleted)
    let counts = try await world.apply([SyncRow(put: record, lsn: 3)]).counts
    #expect(counts.unchanged == 1)
    #expect(try await world.files.entry(record.fileID)?.record.status == .deleted)
  }

  @Test func missingIsReversibleEvenAtTheSamePosition() async throws {
    let world = try await CatalogueWorld()
    let record = world.record()
    _ = try await world.files.put(record, owner: world.owner, at: world.at(5))
    #expect(try await world.files.markMissing(record.fileID, owner: world.owner, ifStillAt: world.at(4)) == false)
    #expect(try await world.files.markMissing(record.fileID, owner: world.owner, ifStillAt: world.at(5)))
    #expect(try await world.files.entry(record.fileID)?.missingSince != nil)
    #expect(try await world.files.markedMissingRecently(owner: world.owner) == 1)
    let counts = try await world.apply([SyncRow(put: record, lsn: 5)]).counts
    #expect(counts.updated == 1)
    #expect(try await world.files.entry(record.fileID)?.missingSince == nil)
  }

  /// Random writes against a dictionary that follows the rule.
  @Test func randomWritesFollowTheModel() async throws {
    struct Row { var owner: FileID, position: RowPosition, status: FileStatus }
    let world = try await CatalogueWorld()
    let ids = (0..<8).map { _ in FileID.random(world.random) }
    var model: [FileID: Row] = [:]
    for _ in 0..<300 {
      let id = ids[Int(world.random.uint64() % 8)]
      let owner = world.random.uint64() % 4 == 0 ? world.other : world.owner
      let position = world.at(Int64(world.random.uint64() % 50), epoch: Int64(1 + world.random.uint64() % 2))
      let isDelete = world.random.uint64() % 3 == 0
      let applies = model[id].map { $0.owner == owner && $0.position < position } ?? true
      if world.random.uint64() % 2 == 0 {
        let outcome =
          isDelete
          ? try await world.files.tombstone(id, owner: owner, at: position)
          : try await world.files.put(world.record(id), owner: owner, at: position)
        #expect((outcome == .inserted || outcome == .updated) == applies)
      } else {
        let row = isDelete ? SyncRow(delete: id, lsn: position.lsn) : SyncRow(put: world.record(id), lsn: position.lsn)
        let counts = try await world.apply([row], owner: owner, epoch: position.epoch).counts
        #expect((counts.added + counts.updated + counts.deleted == 1) == applies)
      }
      if applies { model[id] = Row(owner: owner, position: position, status: isDelete ? .deleted : .active) }
    }
    for id in ids {
      let entry = try await world.files.entry(id)
      #expect(entry?.applianceID == model[id]?.owner)
      #expect(entry?.position == model[id]?.position)
      #expect(entry?.record.status == model[id]?.status)
    }
    let counted = try await world.files.totals()
    #expect(
      counted["active", default: FileTotals(files: 0, bytes: 0)].files == model.values.count { $0.status == .active })
    #expect(
      counted["deleted", default: FileTotals(files: 0, bytes: 0)].files == model.values.count { $0.status == .deleted })
  }
}
