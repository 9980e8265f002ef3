import Core
import Disk
import FoundationEssentials
import HTTP
import StorageAPI
import Testing

@testable import Journal
@testable import Store

/// Copies of a store, taken over or not: what must not pass for the history that went on elsewhere.
@Suite struct AdoptTests {
  /// A store with `before` documents, copied, that then went on to `after` more; what the original gave out last.
  private struct Fork {
    let fixture: StoreFixture
    let kept: [FileID]
    let feed: Position
    let listing: String
    let epoch: UInt64

    init(before: Int = 3, after: Int = 5) async throws {
      fixture = try StoreFixture(threads: true)
      var store = try fixture.open()
      var kept: [FileID] = []
      for number in 0..<before { kept.append(try await store.upload(pattern(100 + number)).record.fileID) }
      store.close()
      let copy = fixture.root + "-copy"
      try FileManager.default.copyItem(atPath: fixture.root, toPath: copy)
      store = try fixture.open()
      for _ in 0..<after { _ = try await store.upload(pattern(20)) }
      feed = try await store.changes(after: nil, limit: 100, wait: .zero).position
      listing = try #require(try await store.list(ListQuery(limit: 4)).nextCursor)
      epoch = store.summary.epoch
      store.close()
      self.kept = kept
      try FileManager.default.removeItem(atPath: fixture.root)
      try FileManager.default.moveItem(atPath: copy, toPath: fixture.root)
    }

    func adopt() throws -> Store {
      try Store.adopt(fixture.configuration, disk: RealDisk(), time: fixture.clock, random: fixture.random).store
    }
  }

  private func expectNoneIsBelieved(_ fork: Fork, by store: Store) async throws {
    while store.summary.index != .ready { try await Task.sleep(for: .milliseconds(5)) }
    #expect(await code { try await store.changes(after: fork.feed, limit: 10, wait: .zero) } == .cursorExpired)
    #expect(await code { try await store.list(ListQuery(limit: 4, cursor: fork.listing)) } == .cursorExpired)
  }

  @Test func aCopyThatIsNotAdoptedBelievesNoCursorOfTheOriginal() async throws {
    let fork = try await Fork()
    let store = try fork.fixture.open()
    try await expectNoneIsBelieved(fork, by: store)
    // Also once it has come further than the original.
    for _ in 0..<9 { _ = try await store.upload(pattern(30)) }
    #expect(store.summary.lastLSN > fork.feed.lsn && store.summary.epoch == fork.epoch)
    try await expectNoneIsBelieved(fork, by: store)
    // Its own are.
    let own = try #require(try await store.list(ListQuery(limit: 4)).nextCursor)
    #expect(try await store.list(ListQuery(limit: 100, cursor: own)).count == 8)
    store.close()
  }

  @Test func anAdoptedCopyIsANewLifeBehindTheOldChain() async throws {
    let fork = try await Fork()
    let verify = { try OfflineJournal(fork.fixture.configuration, disk: RealDisk()).verify() }
    let before = try verify().segments.count
    var store = try fork.adopt()
    #expect(store.summary.epoch > fork.epoch)
    while store.summary.index != .ready { try await Task.sleep(for: .milliseconds(5)) }
    try await expectNoneIsBelieved(fork, by: store)
    for id in fork.kept { #expect(try store.bytes(id).count >= 100) }
    for _ in 0..<9 { _ = try await store.upload(pattern(30)) }
    #expect(store.summary.lastLSN > fork.feed.lsn)
    try await expectNoneIsBelieved(fork, by: store)
    let position = try await store.changes(after: nil, limit: 100, wait: .zero).position
    store.close()
    let chain = try verify()
    #expect(chain.isSound && chain.segments.count > before)
    #expect(chain.segments.first?.epoch == fork.epoch && chain.segments.last?.epoch == position.epoch)
    #expect(try notes(fork.fixture).count { $0.reason == .adopt } == 1)
    // The new life goes on: another start neither adopts again nor forgets what it gave out.
    store = try fork.fixture.open()
    #expect(store.summary.epoch == position.epoch)
    #expect(try await store.changes(after: position, limit: 10, wait: .zero).count == 0)
    store.close()
    #expect(try notes(fork.fixture).count { $0.reason == .adopt } == 1)
  }

  @Test func aSlowClockDoesNotTurnTheOrderOfEpochsRound() async throws {
    let fork = try await Fork()
    fork.fixture.clock.time = Timestamp("2020-01-01T00:00:00Z")!
    let store = try fork.adopt()
    #expect(store.summary.epoch == fork.epoch + 1)
    store.close()
  }

  /// A power cut right after the epoch was written: the next start is the new life and journals it.
  @Test func anAdoptionThatWasInterruptedIsJournaledByTheNextStart() async throws {
    let fork = try await Fork()
    let state = StateFiles(disk: RealDisk(), directory: fork.fixture.configuration.dataDirectory + "/state")
    let old = try #require(try state.identity())
    try state.write(StateFiles.Identity(storageID: old.storageID, epoch: old.epoch + 7))
    let store = try fork.fixture.open()
    #expect(store.summary.epoch == fork.epoch + 7)
    try await expectNoneIsBelieved(fork, by: store)
    store.close()
    #expect(try notes(fork.fixture).count { $0.reason == .adopt } == 1)
  }

  /// `store.json` from a backup older than the adoption, over a journal that has seen it.
  @Test func anOlderEpochThanTheJournalsIsRefused() async throws {
    let fork = try await Fork()
    let state = StateFiles(disk: RealDisk(), directory: fork.fixture.configuration.dataDirectory + "/state")
    let old = try #require(try state.identity())
    try fork.adopt().close()
    try state.write(old)
    #expect(throws: StoreError.self) { try fork.fixture.open() }
  }

  @Test func anIndexAheadOfTheJournalIsDamageUntilTheCopyIsAdopted() async throws {
    let fork = try await Fork()
    // The index lies on a disk of its own and was not put back with the rest.
    let index = fork.fixture.root + "/index/index.sqlite"
    do {
      let connection = try SQLiteConnection(index)
      try connection.execute("UPDATE meta SET value = 500 WHERE key = 'applied_lsn'")
    }
    do {
      _ = try fork.fixture.open()
      Issue.record("an index ahead of the journal was taken")
    } catch let error as StoreError {
      #expect(error.description.contains("up to 500") && error.description.contains("--adopt"))
    }
    let store = try fork.adopt()
    while store.summary.index != .ready { try await Task.sleep(for: .milliseconds(5)) }
    #expect(store.summary.counts[.active]?.files == 3 && store.summary.lastLSN < 500)
    store.close()
  }

  /// The journal's disk died, the documents' did not.
  @Test func documentsWhoseJournalIsLostAreNotHiddenByANewOne() async throws {
    let fork = try await Fork()
    let fixture = fork.fixture
    try FileManager.default.removeItem(atPath: fixture.root + "/wal")
    try FileManager.default.createDirectory(atPath: fixture.root + "/wal", withIntermediateDirectories: true)
    do {
      _ = try fixture.open()
      Issue.record("a store without its journal was opened")
    } catch let error as StoreError {
      #expect(error.description.contains("--adopt"))
    }
    var store = try fork.adopt()
    while store.summary.index != .ready { try await Task.sleep(for: .milliseconds(5)) }
    #expect(store.summary.counts[.active]?.files == 3)
    // LSNs go on after those of the documents: a change of one of them counts.
    let changed = try await store.update(fork.kept[2], FilePatch(description: "changed"), by: Actor("x"))
    #expect(changed.record.description == "changed")
    #expect(try store.record(fork.kept[2])?.description == "changed")
    store.close()
    #expect(try OfflineJournal(fixture.configuration, disk: RealDisk()).verify().isSound)
    store = try fixture.open()
    #expect(try store.record(fork.kept[2])?.description == "changed")
    store.close()
    #expect(try notes(fixture).count { $0.reason == .adopt } == 1)
  }

  @Test func nothingIsAdoptedWhereThereIsNoStore() throws {
    let fixture = try StoreFixture()
    #expect(throws: StoreError.self) {
      try Store.adopt(fixture.configuration, disk: RealDisk(), time: fixture.clock, random: fixture.random)
    }
  }

  /// The notes of the journal that is kept.
  private func notes(_ fixture: StoreFixture) throws -> [Mutation] {
    var found: [Mutation] = []
    try OfflineJournal(fixture.configuration, disk: RealDisk()).inspection.read { _, record in
      if record.type == .note, let mutation = Mutation(record) { found.append(mutation) }
    }
    return found
  }
}
