import Core
import Disk
import FoundationEssentials
import HTTP
import Reactor
import Service
import StorageAPI
import Synchronization
import Telemetry
import Testing

@testable import Journal
@testable import Store
@testable import Upkeep

/// A store with documents, and the passes over it without their timers.
final class UpkeepFixture {
  let fixture: StoreFixture
  let store: Store
  let places: UpkeepPlaces
  let pool = BlockingPool(name: "test", threads: 1, queueLimit: 16)
  let isPaused = Mutex(false)

  init(_ fixture: StoreFixture) throws {
    self.fixture = fixture
    store = try fixture.open()
    places = UpkeepPlaces(store, time: fixture.clock)
  }

  deinit {
    pool.shutdown()
    store.close()
  }

  func upload(_ count: Int) async throws -> [Committed] {
    var made: [Committed] = []
    for number in 0..<count { made.append(try await store.upload(pattern(50 + number))) }
    store.flush()
    return made
  }

  /// Rates that never wait: the tests' clock stands still.
  func pace(runMax: Duration? = nil, isPaused: @escaping @Sendable () -> Bool = { false }) -> Pace {
    Pace(time: fixture.clock, bytesPerSecond: .max, itemsPerSecond: .max, runMax: runMax, isPaused: isPaused)
  }

  func reconcile(_ pace: Pace? = nil) async throws -> MaintenanceReport {
    try await Reconcile(store, places: places, grace: .seconds(600), time: fixture.clock)
      .run(on: pool, pace ?? self.pace())
  }

  var scrub: Scrub { Scrub(store, places: places, window: .seconds(30 * 86_400), time: fixture.clock) }

  /// Everything on the disk is older than the grace.
  func age() { fixture.clock.advance(.seconds(365 * 86_400)) }

  func path(_ committed: Committed) throws -> String {
    store.absolute(try #require(try store.document(committed.record.fileID)).path)
  }

  var notes: [String] {
    get throws {
      var found: [String] = []
      try OfflineJournal(fixture.configuration, disk: RealDisk()).inspection.read { _, record in
        if let mutation = Mutation(record), case .note(let text) = mutation.change { found.append(text) }
      }
      return found
    }
  }
}

@Suite struct UpkeepTests {
  @Test func lostAttributesComeBackFromTheJournalAndWithoutItFromTheIndex() async throws {
    let target = try UpkeepFixture(try StoreFixture(threads: true))
    let made = try await target.upload(3)
    _ = try await target.store.update(made[1].record.fileID, FilePatch(description: "patched"), by: Actor("x"))
    target.store.flush()
    let paths = try made.map { try target.path($0) + ".attr.json" }
    let before = try Attributes(try Data(contentsOf: URL(filePath: paths[1])))
    try FileManager.default.removeItem(atPath: paths[0])
    try Data("{ nothing".utf8).write(to: URL(filePath: paths[1]))
    let report = try await target.reconcile()
    target.store.flush()
    #expect(report.issueCount == 0 && report.filesChecked == 3)
    let after = try Attributes(try Data(contentsOf: URL(filePath: paths[1])))
    #expect(after.record == before.record && after.record.description == "patched" && after.lsn > before.lsn)
    #expect(try Attributes(try Data(contentsOf: URL(filePath: paths[0]))).record == made[0].record)
    #expect(try target.notes.count { $0.contains("restored from the journal") } == 2)
    // A second pass finds nothing to do: what was repaired stays repaired.
    let lsn = target.store.summary.lastLSN
    _ = try await target.reconcile()
    #expect(target.store.summary.lastLSN == lsn)
  }

  @Test func anIndexRowIsTheLastSourceOfLostAttributes() async throws {
    let fixture = try StoreFixture(threads: true)
    // Segments and an archive so small that history ends soon.
    fixture.configuration.segmentBytesMax = 4096
    fixture.configuration.archiveBytesMax = 1
    let target = try UpkeepFixture(fixture)
    let first = try await target.upload(1)[0]
    for _ in 0..<20 { _ = try await target.upload(1) }
    let path = try target.path(first) + ".attr.json"
    #expect(try target.store.journaled([first.record.fileID]) { _ in }.isEmpty)
    try FileManager.default.removeItem(atPath: path)
    _ = try await target.reconcile()
    target.store.flush()
    #expect(try Attributes(try Data(contentsOf: URL(filePath: path))).record == first.record)
    #expect(try target.notes.contains { $0.contains("restored from the index") })
  }

  /// Neither attributes nor row: only history, here the archive, knows the document.
  @Test func aDocumentThatOnlyTheArchiveKnowsComesBack() async throws {
    let fixture = try StoreFixture(threads: true)
    fixture.configuration.segmentBytesMax = 4096
    let first: Committed
    let path: String
    do {
      let target = try UpkeepFixture(fixture)
      first = try await target.upload(1)[0]
      for _ in 0..<30 { _ = try await target.upload(1) }
      path = try target.path(first)
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: fixture.root + "/wal/archive").count > 2)
    try FileManager.default.removeItem(atPath: path + ".attr.json")
    try FileManager.default.removeItem(atPath: fixture.root + "/index/index.sqlite")
    let target = try UpkeepFixture(fixture)
    while target.store.summary.index != .ready { try await Task.sleep(for: .milliseconds(5)) }
    #expect(try target.store.record(first.record.fileID) == nil)
    target.age()
    let report = try await target.reconcile()
    #expect(report.issueCount == 0)
    #expect(try target.store.record(first.record.fileID) == first.record)
    #expect(try target.store.bytes(first.record.fileID) == pattern(50))
    #expect(try target.notes.contains { $0.contains("were lost; restored from the journal") })
    #expect(try fixture.files("quarantine").isEmpty)
  }

  @Test func aFileThatNobodyKnowsIsSetAsideAfterTheGraceAndNeverOverAnother() async throws {
    let target = try UpkeepFixture(try StoreFixture(threads: true))
    let made = try await target.upload(1)[0]
    let directory = URL(filePath: try target.path(made)).deletingLastPathComponent()
    let stranger = directory.appending(path: "x_y_20260101T000000_0e2b1a4c-1111-4222-8333-444455556666.pdf")
    try Data("first".utf8).write(to: stranger)
    // The tests' clock stands in 2026: set it to just after the file was made.
    let status = try #require(try RealDisk().stat(stranger.path))
    target.fixture.clock.time = Timestamp(microseconds: status.modifiedMicroseconds) + .seconds(599)
    #expect(try await target.reconcile().issueCount == 0)
    target.fixture.clock.advance(.seconds(2))
    #expect(try await target.reconcile().issues.map(\.type) == [.orphanedFile])
    target.fixture.clock.time = Timestamp(microseconds: status.modifiedMicroseconds) + .seconds(10 * 86_400)
    try Data("second".utf8).write(to: stranger)
    #expect(try await target.reconcile().issues.map(\.type) == [.orphanedFile])
    let kept = try target.fixture.files("quarantine").map {
      try Data(contentsOf: URL(filePath: target.store.absolute("quarantine/\($0)"))).count
    }
    #expect(kept.sorted() == [5, 6])
    #expect(try target.notes.count { $0.contains("orphaned file") } == 2)
  }

  /// A damaged archive might have known the file.
  @Test func nothingIsSetAsideWhileHistoryCannotBeReadWhole() async throws {
    let fixture = try StoreFixture(threads: true)
    fixture.configuration.segmentBytesMax = 4096
    let target = try UpkeepFixture(fixture)
    let made = try await target.upload(30)
    let stranger = URL(filePath: try target.path(made[0])).deletingLastPathComponent()
      .appending(path: "x_y_20260101T000000_0e2b1a4c-1111-4222-8333-444455556666.pdf")
    try Data("first".utf8).write(to: stranger)
    let archive = URL(filePath: fixture.root + "/wal/archive/000000000000000001.wal.lz4")
    var bytes = try Data(contentsOf: archive)
    bytes[bytes.count / 2] ^= 1
    try bytes.write(to: archive)
    target.age()
    let report = try await target.reconcile()
    #expect(report.issues.count == 1 && report.issues.first?.description.contains("left in place") == true)
    #expect(FileManager.default.fileExists(atPath: stranger.path))
    bytes[bytes.count / 2] ^= 1
    try bytes.write(to: archive)
    #expect(try target.notes.contains { $0.contains("could not be read whole") })
  }

  @Test func aLostRowIsIndexedAgainAndDamageIsMarkedAndNotServed() async throws {
    let target = try UpkeepFixture(try StoreFixture(threads: true))
    let made = try await target.upload(4)
    let ids = made.map(\.record.fileID)
    try target.store.shared.index.write { (writer) throws(SQLiteError) in
      try writer.connection.statement("DELETE FROM files WHERE id = ?").bind(ids[0].bytes).run()
    }
    try FileManager.default.removeItem(atPath: try target.path(made[1]))
    try Data("short".utf8).write(to: URL(filePath: try target.path(made[2])))
    target.age()
    let report = try await target.reconcile()
    #expect(Set(report.issues.map(\.type)) == [.missingFile, .sizeMismatch])
    #expect(try target.store.record(ids[0]) == made[0].record)
    #expect(target.store.damaged[ids[1]] == "missing_file" && target.store.damaged[ids[2]] == "size_mismatch")
    for id in ids[1...2] { #expect(await code { try target.store.open(id) } == .internalError) }
    // Put back, it is served again after the next pass.
    try Data(pattern(52)).write(to: URL(filePath: try target.path(made[2])))
    _ = try await target.reconcile()
    #expect(try target.store.bytes(ids[2]) == pattern(52))
  }

  @Test func scrubFindsAChangedByteAndSaysHowMuchIsVerified() async throws {
    let target = try UpkeepFixture(try StoreFixture(threads: true))
    let made = try await target.upload(5)
    target.fixture.clock.advance(.seconds(3600))
    #expect(target.scrub.status.verifiedRatio == 0 && target.scrub.status.oldest == .seconds(3600))
    let url = URL(filePath: try target.path(made[3]))
    var bytes = try Data(contentsOf: url)
    bytes[7] ^= 1
    try bytes.write(to: url)
    let report = try await target.scrub.run(on: target.pool, target.pace())
    #expect(report.issues.map(\.type) == [.checksumMismatch] && report.filesChecked == 5)
    #expect(await code { try target.store.open(made[3].record.fileID) } == .internalError)
    #expect(try target.notes.contains { $0.contains("checksum_mismatch") })
    #expect(target.scrub.status.verifiedRatio == 1 && target.scrub.status.oldest == .zero)
    target.fixture.clock.advance(.seconds(20 * 86_400))
    _ = try await target.upload(5)
    #expect(target.scrub.status.verifiedRatio == 0.5 && target.scrub.status.oldest == .seconds(20 * 86_400))
    target.fixture.clock.advance(.seconds(11 * 86_400))
    #expect(target.scrub.status.verifiedRatio == 0)
  }

  /// Paused in the middle, the process restarted: the pass goes on behind what it has read.
  @Test func aPausedScrubGoesOnAfterARestart() async throws {
    let fixture = try StoreFixture(threads: true)
    do {
      let target = try UpkeepFixture(fixture)
      _ = try await target.upload(200)
      let asked = Mutex(0)
      let pause = target.pace {
        asked.withLock {
          $0 += 1; return $0 > 150
        }
      }
      await #expect(throws: Pace.Halt.self) { try await target.scrub.run(on: target.pool, pause) }
      #expect(target.scrub.status.isUnderway && target.scrub.status.verifiedRatio == 128.0 / 200)
    }
    let target = try UpkeepFixture(fixture)
    #expect(target.scrub.status.verifiedRatio == 128.0 / 200)
    let report = try await target.scrub.run(on: target.pool, target.pace())
    #expect(report.filesChecked == 72)
    #expect(target.scrub.status.verifiedRatio == 1 && !target.scrub.status.isUnderway)
  }

  @Test func reconcileGoesOnWhereItWasPaused() async throws {
    let target = try UpkeepFixture(try StoreFixture(threads: true))
    _ = try await target.upload(450)
    let asked = Mutex(0)
    let pause = target.pace {
      asked.withLock {
        $0 += 1; return $0 == 2
      }
    }
    await #expect(throws: Pace.Halt.self) { try await target.reconcile(pause) }
    #expect(target.places.content.reconcile?.sequence == 400)
    #expect(try await target.reconcile().filesChecked == 50)
    #expect(target.places.content.reconcile == nil && target.places.content.reconcileEnded != nil)
    let runMax = target.pace(runMax: .zero)
    await #expect(throws: Pace.Halt.self) { try await target.reconcile(runMax) }
  }

  @Test func nothingIsCollectedWhilePausedOrWithAnUntrustedClock() async throws {
    let target = try UpkeepFixture(try StoreFixture(threads: true))
    let made = try await target.upload(2)
    _ = try await target.store.delete(made[0].record.fileID, by: Actor("x"))
    target.age()
    for (paused, trusted, removed) in [(true, true, 0), (false, false, 0), (false, true, 2)] {
      let collector = GarbageCollector(
        target.store, grace: .seconds(60), time: target.fixture.clock, isPaused: { paused }, isClockTrusted: { trusted }
      )
      let said = try await collector.run()
      #expect(said.hasPrefix("nothing") == (removed == 0), "\(said)")
    }
    // What expired now has its grace before it.
    #expect(target.store.summary.counts[.deleted]?.files == 0 && target.store.summary.counts[.expired]?.files == 1)
  }

  @Test func aPausedUpkeepDoesNothingAndSaysWhy() async throws {
    let target = try UpkeepFixture(try StoreFixture(threads: true))
    _ = try await target.upload(2)
    let isPaused = Atomic(true)
    let upkeep = Upkeep(
      target.store, time: target.fixture.clock, random: target.fixture.random,
      logger: Logger(label: "test", level: .error, format: .text, sink: MemorySink(), time: target.fixture.clock),
      isPaused: { isPaused.load(ordering: .relaxed) }, isClockTrusted: { true })
    defer { upkeep.shutdown() }
    #expect(await code { try await upkeep.start(.scrub, wait: .zero) } == .conflict)
    for task in upkeep.tasks {
      await task.runOnce()
      guard case .success(let said) = task.status.lastResult else { Issue.record("\(task.name) failed"); continue }
      #expect(said.contains("paused"), "\(task.name): \(said)")
    }
    isPaused.store(false, ordering: .relaxed)
    for (round, words) in [["0 documents expired", "2 documents", "2 documents"], ["0", "nothing", "nothing"]]
      .enumerated()
    {
      for (task, word) in zip(upkeep.tasks, words) {
        await task.runOnce()
        guard case .success(let said) = task.status.lastResult else { Issue.record("\(task.name) failed"); continue }
        #expect(said.contains(word), "round \(round), \(task.name): \(said)")
      }
    }
  }

  @Test func archivedHistoryEndsAfterItsDaysAndSaysSo() async throws {
    let fixture = try StoreFixture(threads: true)
    fixture.configuration.segmentBytesMax = 4096
    fixture.configuration.archiveDaysMax = 30
    let target = try UpkeepFixture(fixture)
    let made = try await target.upload(30)
    let journal = try OfflineJournal(fixture.configuration, disk: RealDisk())
    #expect(try journal.floor() == 0 && journal.history(of: made[0].record.fileID).count == 1)
    try target.store.pruneHistory(now: Timestamp(microseconds: 0) + .seconds(86_400))
    #expect(try journal.floor() == 0)
    // The archives were made now; thirty-one days on they are too old.
    let status = try #require(try RealDisk().stat(fixture.root + "/wal/archive/000000000000000001.wal.lz4"))
    try target.store.pruneHistory(
      now: Timestamp(microseconds: status.modifiedMicroseconds) + .seconds(31 * 86_400))
    #expect(try journal.floor() > 0)
    #expect(try journal.history(of: made[0].record.fileID).isEmpty)
    #expect(try journal.verify().isSound)
    #expect(target.store.historyBegan != nil)
  }

  @Test func stretchesOfVerifiedDocumentsStayFewAndExact() {
    var verified = Verified()
    let start = Timestamp("2026-11-20T00:00:00Z")!
    for batch in 0..<100 {
      verified.add(
        after: Int64(batch * 64), through: Int64(batch * 64 + 64), files: 64, at: start + .seconds(batch * 60))
    }
    #expect(verified.stretches.count == 2 && verified.files(since: start) == 6400)
    #expect(verified.oldest == start && verified.through == 6400)
    // A later pass over the first half: its stretches are new, the rest keeps its age.
    let later = start + .seconds(40 * 86_400)
    for batch in 0..<50 {
      verified.add(after: Int64(batch * 64), through: Int64(batch * 64 + 64), files: 64, at: later)
    }
    #expect(verified.files(since: later) == 3200 && verified.files(since: start) == 6400)
    #expect(verified.oldest.map { $0 < later } == true)
  }
}
