import Core
import Disk
import FoundationEssentials
import HTTP
import StorageAPI
import Testing

@testable import Journal
@testable import Store
@testable import Upkeep

/// A byte that is not what was written, in each of the places where bytes are kept: it is found, and nobody is
/// given it.
@Suite struct DamageTests {
  private func fsck(_ fixture: StoreFixture) throws -> Fsck.Report {
    try Fsck(fixture.configuration, disk: RealDisk(), time: fixture.clock).run()
  }

  private func flip(_ path: String, _ find: String) throws {
    var bytes = Array(try Data(contentsOf: URL(filePath: path)))
    let wanted = Array(find.utf8)
    let places = bytes.indices.dropLast(wanted.count - 1).filter { bytes[$0..<$0 + wanted.count].elementsEqual(wanted) }
    #expect(!places.isEmpty)
    for place in places { bytes[place] ^= 1 }
    try Data(bytes).write(to: URL(filePath: path))
  }

  @Test func aWholeStoreIsClean() async throws {
    let fixture = try StoreFixture(threads: true)
    let store = try fixture.open()
    for number in 0..<5 { _ = try await store.upload(pattern(number * 40_000)) }
    store.close()
    let report = try fsck(fixture)
    #expect(report.isClean, "\(report.lines)")
  }

  /// A changed byte inside a row: SQLite cannot know, the attributes do.
  @Test func aChangedRowIsFoundAndMendedFromTheAttributesNeverTheReverse() async throws {
    for word in ["zebra", "\"file_id\""] {
      let fixture = try StoreFixture(threads: true)
      var store = try fixture.open()
      let made = try await store.upload(pattern(10), as: "zebra.pdf", by: "ivanov")
      _ = try await store.upload(pattern(11), as: "other.pdf")
      store.close()
      // Its JSON only: the stored path has the word too.
      try flip("\(fixture.root)/index/index.sqlite", word == "zebra" ? "\"original_filename\":\"zebra" : word)
      let report = try fsck(fixture)
      #expect(report.index.contains { $0.contains("not what was written") }, "\(report.lines)")
      #expect(report.documents.issueCount == 0 && report.journal.isEmpty)
      let target = try UpkeepFixture(fixture)
      store = target.store
      _ = try await target.reconcile()
      #expect(try store.record(made.record.fileID) == made.record, "\(word)")
      target.store.flush()
      #expect(
        store.readAttributes(of: try #require(try store.document(made.record.fileID)).path)?.record == made.record)
    }
  }

  @Test func anIndexWithoutItsStructureIsNotServedAndMadeAnew() async throws {
    let fixture = try StoreFixture(threads: true)
    var store = try fixture.open()
    var ids: [FileID] = []
    for number in 0..<300 { ids.append(try await store.upload(pattern(number)).record.fileID) }
    let digest = try await store.digest().buckets
    store.close()
    let path = "\(fixture.root)/index/index.sqlite"
    var bytes = Array(try Data(contentsOf: URL(filePath: path)))
    // The page with the row of one document, which opening does not read.
    let wanted = Array("\"file_id\":\"\(ids[150])".utf8)
    let place = try #require(
      bytes.indices.dropLast(wanted.count).first { bytes[$0..<$0 + wanted.count].elementsEqual(wanted) })
    bytes[place / 4096 * 4096] = 0xEE
    try Data(bytes).write(to: URL(filePath: path))
    #expect(try !fsck(fixture).index.isEmpty)
    store = try fixture.open()
    var codes: Set<ErrorCode?> = []
    for id in ids { codes.insert(await code { try store.open(id) }) }
    #expect(codes.isSubset(of: [nil, .overloaded]) && codes.contains(.overloaded), "\(codes)")
    while store.summary.index != .ready { try await Task.sleep(for: .milliseconds(5)) }
    #expect(try await store.digest().buckets == digest)
    for (number, id) in ids.enumerated() { #expect(try store.bytes(id) == pattern(number)) }
    store.close()
    #expect(try fsck(fixture).isClean)
  }

  @Test func aJournalThatLostWhatItAttestedStopsTheStart() async throws {
    let fixture = try StoreFixture(threads: true)
    let store = try fixture.open()
    for number in 0..<5 { _ = try await store.upload(pattern(2000 + number)) }
    store.close()
    let segment = "\(fixture.root)/wal/000000000000000001.wal"
    var bytes = Array(try Data(contentsOf: URL(filePath: segment)))
    bytes[1000] ^= 1
    try Data(bytes).write(to: URL(filePath: segment))
    #expect(throws: StoreError.self) { try fixture.open() }
    #expect(try !fsck(fixture).journal.isEmpty)
  }

  /// The pages of a history that was pruned are an error, not an empty answer.
  @Test func historyBeforeTheFloorIsToldFromNone() async throws {
    let fixture = try StoreFixture(threads: true)
    fixture.configuration.segmentBytesMax = 4096
    fixture.configuration.archiveBytesMax = 1
    let store = try fixture.open()
    let first = try await store.upload(pattern(50))
    for _ in 0..<30 {
      _ = try await store.upload(pattern(60))
      store.flush()
    }
    store.close()
    let journal = try OfflineJournal(fixture.configuration, disk: RealDisk())
    #expect(try journal.floor() > 0 && journal.history(of: first.record.fileID).isEmpty)
    #expect(try journal.verify().isSound)
  }
}
