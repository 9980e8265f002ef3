import Core
import Disk
import FoundationEssentials
import HTTP
import StorageAPI
import Synchronization
import Testing

@testable import Store

/// An index whose disk is full, or does not keep what was written: nothing acknowledged depends on it, and it comes
/// back by itself (decision 0100).
@Suite struct IndexTroubleTests {
  /// A store whose index has not one page more, with documents that wait for it.
  private func stalled(_ fixture: StoreFixture) async throws -> (store: Store, ids: [FileID]) {
    let store = try fixture.open()
    var ids: [FileID] = []
    ids.append(try await put(store, 10))
    store.step()
    try store.shared.index.limit(pages: 1)
    while !store.shared.index.isStalled, ids.count < 500 {
      ids.append(try await put(store, ids.count + 1))
      store.step()
    }
    #expect(store.shared.index.isStalled)
    return (store, ids)
  }

  private func put(_ store: Store, _ size: Int) async throws -> FileID {
    let made = try await store.prepared(pattern(size))
    #expect(store.commit([.put(made)]) == [nil])
    return made.record.fileID
  }

  @Test func whatAFullDiskDoesNotTakeWaitsAndIsFound() async throws {
    let fixture = try StoreFixture()
    let (store, ids) = try await stalled(fixture)
    defer { store.close() }
    let last = try #require(ids.last)
    #expect(store.readOnlyReason == nil)
    #expect(store.summary.index == .ready && store.summary.availableBytes == 0)
    #expect(store.summary.indexTrouble?.contains("full") == true)
    // Uploads are refused, reads and deletes go on.
    #expect(await code { try await store.prepared(pattern(1)) } == .storageFull)
    #expect(try store.bytes(last) == pattern(ids.count))
    #expect(store.commit([.patch(last, FilePatch(description: .some("new")))]) == [nil])
    #expect(try store.record(last)?.description == "new")
    #expect(store.commit([.delete(ids[0])]) == [nil])
    #expect(await code { try store.open(ids[0]) } == .notFound)
    // A list without what was answered would be wrong.
    #expect(await code { try await store.list(ListQuery()) } == .overloaded)
    #expect(await code { try await store.changes(after: nil, limit: 10, wait: .zero) } == .overloaded)
    // Room returns: nobody restarts anything.
    try store.shared.index.limit(pages: 1 << 30)
    store.step()
    #expect(store.summary.indexTrouble == nil && store.summary.waitingChanges == 0)
    let list = try await store.list(ListQuery(limit: 1000))
    #expect(list.count == ids.count && list.total == ids.count)
    #expect(store.summary.counts[.deleted]?.files == 1)
    #expect(store.summary.availableBytes > 0)
    _ = try await store.prepared(pattern(1))
  }

  @Test func whatWaitsIsBounded() async throws {
    let fixture = try StoreFixture()
    let (store, ids) = try await stalled(fixture)
    defer { store.close() }
    let last = try #require(ids.last)
    let index = store.shared.index
    index.waitingBound.store(index.waiting.withLock { $0.changes.count } + 1, ordering: .relaxed)
    #expect(store.commit([.delete(ids[0])]) == [nil])
    #expect(store.commit([.delete(last)]) == [.storageFull])
    #expect(try store.record(last)?.status == .active)
    try index.limit(pages: 1 << 30)
    store.step()
    #expect(store.commit([.delete(last)]) == [nil])
  }

  @Test func manyEnterInTheirOrderWhenThereIsRoom() async throws {
    let fixture = try StoreFixture()
    let (store, ids) = try await stalled(fixture)
    defer { store.close() }
    let last = try #require(ids.last)
    // More than enter in one transaction.
    for number in 0..<4200 {
      #expect(store.commit([.patch(last, FilePatch(description: .some("\(number)")))]) == [nil])
    }
    #expect(try store.record(last)?.description == "4199")
    try store.shared.index.limit(pages: 1 << 30)
    store.step()
    #expect(store.summary.waitingChanges == 0)
    #expect(store.shared.index.waitingRow(last).isUnknown, "nothing is kept of what has entered")
    #expect(try store.record(last)?.description == "4199")
    #expect(store.shared.index.settledLSN == store.summary.lastLSN)
  }

  /// Segments stay while the index could not be brought up to date without them, so a start has everything.
  @Test func segmentsStayUntilTheIndexHasTheirChangesAndAStartHasThemAll() async throws {
    let fixture = try StoreFixture()
    fixture.configuration.segmentBytesMax = 4096
    var (store, ids) = try await stalled(fixture)
    store.flush()
    func segments() throws -> Set<String> {
      Set(try FileManager.default.contentsOfDirectory(atPath: "\(fixture.root)/wal").filter { $0.hasSuffix(".wal") })
    }
    let before = try segments()
    let last = try #require(ids.last)
    for number in 0..<20 { #expect(store.commit([.patch(last, FilePatch(description: .some("\(number)")))]) == [nil]) }
    store.flush()
    #expect(try segments().isStrictSuperset(of: before))
    store.close()
    store = try fixture.open()
    #expect(store.rebuild == nil, "the index that was full is still the index")
    let list = try await store.list(ListQuery(limit: 1000))
    #expect(list.count == ids.count)
    #expect(try store.record(last)?.description == "19")
    store.flush()
    #expect(try segments().count == 1)
    store.close()
  }

  @Test func aStartWhoseChangesFindNoRoomGoesOnWithThemInMemory() async throws {
    let fixture = try StoreFixture()
    let (store, ids) = try await stalled(fixture)
    let index = store.shared.index
    let waiting = index.waiting.withLock { $0 }
    #expect(!waiting.changes.isEmpty)
    // As redo does.
    let last = try #require(ids.last)
    let row = try #require(try index.row(last))
    index.take([.upsert(row, isNew: false)], through: index.appliedLSN + 1)
    #expect(index.isStalled && index.appliedLSN > waiting.through)
    #expect(try store.record(last)?.size == ids.count)
    store.close()
  }

  @Test func aBrokenIndexIsSetAsideAndRebuiltWhileTheStoreGoesOn() async throws {
    let fixture = try StoreFixture()
    let store = try fixture.open()
    defer { store.close() }
    var ids: [FileID] = []
    for number in 1...5 { ids.append(try await put(store, number)) }
    #expect(store.commit([.delete(ids[4])]) == [nil])
    fixture.clock.advance(.seconds(10))
    #expect(store.commit([.purge(ids[4], before: fixture.clock.now())]) == [nil])
    let old = try await store.changes(after: nil, limit: 100, wait: .zero).position
    ids[4] = try await put(store, 100)
    try store.shared.index.writer.withLock { (writer) throws(SQLiteError) in
      try writer.connection.execute("DROP TABLE files")
    }
    #expect(await code { try await store.list(ListQuery()) } == .overloaded)
    guard case .failed = store.summary.index else {
      Issue.record("the index does not say that it failed")
      return
    }
    // What was answered and had not entered is found, the rest is not known to be missing.
    #expect(try store.record(ids[4])?.size == 100)
    #expect(await code { try store.record(ids[0]) } == .overloaded)
    // Writing goes on meanwhile.
    ids.append(try await put(store, 200))
    #expect(store.readOnlyReason == nil)
    store.step()
    #expect(store.summary.index == .ready && store.summary.indexTrouble == nil)
    let list = try await store.list(ListQuery())
    #expect(list.count == 6 && list.total == 6)
    for (number, id) in zip([1, 2, 3, 4, 100, 200], ids) { #expect(try store.bytes(id) == pattern(number)) }
    #expect(await code { try await store.changes(after: old, limit: 10, wait: .zero) } == .cursorExpired)
    #expect(OfflineIndex(fixture.configuration, disk: RealDisk()).problems(lastLSN: nil).isEmpty)
  }

  /// The files under an open index are gone: what is made anew is not touched by the connections to the old one.
  @Test func connectionsToTheOldFileDoNotTouchTheNewOne() async throws {
    let fixture = try StoreFixture()
    let store = try fixture.open()
    let id = try await put(store, 10)
    store.step()
    let index = store.shared.index
    try index.readSettled { (_) throws(SQLiteError) in
      // This reader holds a connection of its own over the change.
      index.condemn(SQLiteError(attempt: "test", code: 11, message: "damaged"))
      store.step()
    }
    #expect(store.summary.index == .ready)
    #expect(try store.record(id)?.size == 10)
    #expect(try await put(store, 20) != id)
    store.step()
    #expect(try await store.list(ListQuery()).count == 2)
    store.close()
    let again = try fixture.open()
    #expect(again.rebuild == nil)
    #expect(try await again.list(ListQuery()).count == 2)
    again.close()
  }

  @Test func theReserveIsKeptWhereThereIsRoomAndGivenUpOnce() throws {
    let fixture = try StoreFixture()
    let directory = fixture.configuration.indexDirectory
    #expect(!Index.releaseReserve(in: directory))
    Index.keepReserve(in: directory)
    Index.keepReserve(in: directory)
    #expect(try FileManager.default.attributesOfItem(atPath: "\(directory)/reserve")[.size] as? Int == 4 << 20)
    #expect(Index.releaseReserve(in: directory))
    #expect(!Index.releaseReserve(in: directory))
  }

  @Test func errorsAreToldApart() {
    func error(_ code: Int32, _ cause: Int32 = 0) -> SQLiteError {
      SQLiteError(attempt: "", code: code, message: "", cause: cause)
    }
    // FULL; IOERR_WRITE over quota; IOERR_SHMSIZE.
    for full in [error(13), error(10 | 3 << 8, 122), error(10 | 19 << 8)] { #expect(full.isFull && full.isPassing) }
    // BUSY, NOMEM, CANTOPEN.
    for passing in [error(5), error(7), error(14)] { #expect(passing.isPassing && !passing.isFull) }
    // CORRUPT, NOTADB, IOERR_READ, IOERR_WRITE; a sync that says that the disk is full is a failed sync.
    for bad in [error(11), error(26), error(10 | 1 << 8, 5), error(10 | 3 << 8, 5), error(10 | 4 << 8, 28)] {
      #expect(bad.isDistrust && !bad.isPassing && !bad.isFull)
    }
  }
}

extension Index {
  /// How many pages its file may have; never fewer than it has.
  func limit(pages: Int) throws(SQLiteError) {
    try writer.withLock { (writer) throws(SQLiteError) in
      try writer.connection.execute("PRAGMA max_page_count = \(pages)")
    }
  }
}

extension WaitingRow {
  fileprivate var isUnknown: Bool { if case .unknown = self { true } else { false } }
}
