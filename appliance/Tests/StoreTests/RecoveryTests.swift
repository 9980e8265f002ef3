import Core
import Crypto
import Disk
import FoundationEssentials
import HTTP
import StorageAPI
import Testing

@testable import Journal
@testable import Store

@Suite struct RecoveryTests {
  @Test func anIndexThatIsDeletedOrDamagedIsRebuilt() async throws {
    for damage in ["deleted", "garbage", "other version"] {
      let fixture = try StoreFixture(threads: true)
      var store = try fixture.open()
      var ids: [FileID] = []
      for number in 0..<12 { ids.append(try await store.upload(pattern(number * 9000)).record.fileID) }
      _ = try await store.update(ids[3], FilePatch(description: "changed"), by: Actor("x"))
      _ = try await store.delete(ids[4], by: Actor("x"))
      let digest = try await store.digest()
      let old = try await store.changes(after: nil, limit: 100, wait: .zero).position
      store.close()
      let file = "\(fixture.root)/index/index.sqlite"
      switch damage {
      case "garbage": try Data("no database".utf8).write(to: URL(filePath: file))
      case "other version":
        let connection = try SQLiteConnection(file)
        try connection.execute("PRAGMA user_version = 99")
      default: try FileManager.default.removeItem(atPath: file)
      }
      store = try fixture.open()
      while store.summary.index != .ready { try await Task.sleep(for: .milliseconds(5)) }
      #expect(try await store.digest().buckets == digest.buckets, "\(damage)")
      #expect(try store.record(ids[3])?.description == "changed")
      #expect(store.summary.counts[.deleted]?.files == 1)
      // The rebuilt feed is another one: the old cursor is not believed.
      #expect(await code { try await store.changes(after: old, limit: 1, wait: .zero) } == .cursorExpired)
      store.close()
    }
  }

  /// Simulation seed 2005249: a failed sync of the staging directory dropped the rename of a large document that was
  /// acknowledged before. The killed process's successor saw it in place, checked in, and a power cut took it.
  @Test(arguments: 0..<12) func aRenameThatAFailedSyncDroppedIsDoneAgain(_ seed: UInt64) async throws {
    let fixture = try StoreFixture()
    fixture.configuration.smallDocumentBytesMax = 1000
    let disk = SimulatedDisk(seed: seed)
    for name in ["data", "wal"] { try disk.makeTree("\(fixture.root)/\(name)") }
    var store = try fixture.open(disk)
    let bytes = pattern(5000)
    let upload = try store.beginUpload(FileDraft(filename: "report.pdf", uploadedBy: "ivanov"))
    try await upload.write(bytes)
    let document = try await upload.prepare(expected: nil, attributes: nil).document
    store.committer.commit([Command(action: .put(document), actor: Actor("test")) { _ in }])
    #expect(try store.bytes(document.record.fileID) == bytes)
    disk.faults.failAt = disk.steps + 1
    disk.faults.failure = .syncFailed
    #expect(throws: DiskError.self) { try disk.syncDirectory("\(fixture.root)/data/staging", .stagingName) }
    disk.kill()
    store = try fixture.open(disk)
    store.keeper.run()
    disk.cutPower()
    store = try fixture.open(disk)
    #expect(try store.bytes(document.record.fileID) == bytes)
  }

  /// Simulation seed 1865: the same for a small document, whose name a failed sync of its directory dropped.
  @Test(arguments: 0..<12) func aNameThatAFailedSyncDroppedIsMadeAgain(_ seed: UInt64) async throws {
    let fixture = try StoreFixture()
    let disk = SimulatedDisk(seed: seed)
    for name in ["data", "wal"] { try disk.makeTree("\(fixture.root)/\(name)") }
    var store = try fixture.open(disk)
    let upload = try store.beginUpload(FileDraft(filename: "report.pdf", uploadedBy: "ivanov"))
    try await upload.write(pattern(500))
    let document = try await upload.prepare(expected: nil, attributes: nil).document
    store.committer.commit([Command(action: .put(document), actor: Actor("test")) { _ in }])
    store.shared.placements.place(upTo: 64)
    let id = document.record.fileID
    let path = try #require(try store.document(id)).path
    disk.faults.failAt = disk.steps + 1
    disk.faults.failure = .syncFailed
    #expect(throws: DiskError.self) {
      try disk.syncDirectory(RealDisk.parent(of: store.absolute(path)), .documentDirectory)
    }
    disk.kill()
    store = try fixture.open(disk)
    store.keeper.run()
    disk.cutPower()
    store = try fixture.open(disk)
    #expect(try store.bytes(id) == pattern(500))
    #expect(disk.files(below: "\(fixture.root)/data/files").count == 2)
  }

  /// The same for names that were removed: of a purged document, and of the temporary file of attributes that were
  /// replaced. They do not show, so there would be nothing to remove; once the journal was checked in, they came back.
  @Test(arguments: 0..<12) func aRemovalThatAFailedSyncDroppedIsDoneAgain(_ seed: UInt64) async throws {
    let fixture = try StoreFixture()
    let disk = SimulatedDisk(seed: seed)
    for name in ["data", "wal"] { try disk.makeTree("\(fixture.root)/\(name)") }
    var store = try fixture.open(disk)
    var documents: [PreparedDocument] = []
    for size in [500, 600] { documents.append(try await store.prepared(pattern(size))) }
    let ids = documents.map(\.record.fileID)
    #expect(store.commit(documents.map { .put($0) } + [.delete(ids[0])]) == [nil, nil, nil])
    store.flush()
    let path = try #require(try store.document(ids[0])).path
    fixture.clock.advance(.seconds(10))
    #expect(store.commit([.purge(ids[0], before: fixture.clock.now())]) == [nil])
    #expect(store.commit([.patch(ids[1], FilePatch(description: .some("new")))]) == [nil])
    store.shared.placements.place(upTo: 64)
    disk.faults.failAt = disk.steps + 1
    disk.faults.failure = .syncFailed
    #expect(throws: DiskError.self) {
      try disk.syncDirectory(RealDisk.parent(of: store.absolute(path)), .documentDirectory)
    }
    disk.kill()
    store = try fixture.open(disk)
    store.keeper.run()
    disk.cutPower()
    store = try fixture.open(disk)
    let left = disk.files(below: "\(fixture.root)/data/files").keys.map { $0.split(separator: "/").last! }
    #expect(left.count == 2 && left.allSatisfy { !$0.contains(ids[0].description) }, "\(left)")
    #expect(try store.record(ids[0]) == nil)
    let other = try #require(try store.document(ids[1])).path
    #expect(store.readAttributes(of: other)?.record.description == "new")
  }

  /// Simulation seed 80138045868655: the same for a temporary file that a process left behind, which a segment was then
  /// written into.
  @Test(arguments: 0..<12) func aTemporaryFileLeftBehindIsNotUsed(_ seed: UInt64) async throws {
    let fixture = try StoreFixture()
    let disk = SimulatedDisk(seed: seed)
    for name in ["data", "wal"] { try disk.makeTree("\(fixture.root)/\(name)") }
    try fixture.open(disk).close()
    let left = "\(fixture.root)/wal/000000000000000001.wal.new"
    try disk.open(left, .replace).close()
    disk.faults.failAt = disk.steps + 1
    disk.faults.failure = .syncFailed
    #expect(throws: DiskError.self) { try disk.syncDirectory("\(fixture.root)/wal", .segmentName) }
    disk.kill()
    let lsn = try fixture.open(disk).summary.lastLSN
    disk.cutPower()
    #expect(try fixture.open(disk).summary.lastLSN > lsn)
  }

  @Test func aCursorIsBelievedOnlyInItsOwnHistory() async throws {
    let fixture = try StoreFixture(threads: true)
    var store = try fixture.open()
    _ = try await store.upload(pattern(10))
    let first = try await store.changes(after: nil, limit: 10, wait: .zero).position
    store.close()
    store = try fixture.open()
    _ = try await store.upload(pattern(10))
    #expect(try await store.changes(after: first, limit: 10, wait: .zero).count == 1)
    let known = try await store.changes(after: nil, limit: 10, wait: .zero).position
    func position(
      epoch: UInt64? = nil, generation: UInt64? = nil, incarnation: UInt64? = nil, lsn: UInt64? = nil
    ) -> Position {
      Position(
        epoch: epoch ?? known.epoch, generation: generation ?? known.generation,
        incarnation: incarnation ?? known.incarnation, lsn: lsn ?? known.lsn)
    }
    let strange = [
      position(epoch: 1), position(generation: 1), position(incarnation: 1), position(lsn: known.lsn + 1),
      // The first run never came as far as the second.
      position(incarnation: first.incarnation),
    ]
    for cursor in strange {
      #expect(await code { try await store.changes(after: cursor, limit: 10, wait: .zero) } == .cursorExpired)
    }
    #expect(try await store.changes(after: known, limit: 10, wait: .zero).count == 0)
    store.close()
  }

  /// A copy put back from yesterday has the same numbers for other changes.
  @Test func aRestoredOlderCopyDoesNotBelieveNewerCursors() async throws {
    let fixture = try StoreFixture(threads: true)
    var store = try fixture.open()
    _ = try await store.upload(pattern(10))
    store.close()
    let copy = fixture.root + "-copy"
    try FileManager.default.copyItem(atPath: fixture.root, toPath: copy)
    store = try fixture.open()
    for _ in 0..<5 { _ = try await store.upload(pattern(20)) }
    let newer = try await store.changes(after: nil, limit: 100, wait: .zero).position
    store.close()
    try FileManager.default.removeItem(atPath: fixture.root)
    try FileManager.default.moveItem(atPath: copy, toPath: fixture.root)
    store = try fixture.open()
    for _ in 0..<9 { _ = try await store.upload(pattern(30)) }
    #expect(store.summary.lastLSN > newer.lsn)
    #expect(await code { try await store.changes(after: newer, limit: 10, wait: .zero) } == .cursorExpired)
    store.close()
  }

  @Test func aSecondProcessIsRefusedWithThePid() throws {
    let fixture = try StoreFixture()
    let store = try fixture.open()
    do {
      _ = try fixture.open()
      Issue.record("two stores on one directory")
    } catch let error as StoreError {
      guard case .locked(_, let holder) = error else { throw error }
      #expect(holder == "pid \(ProcessInfo.processInfo.processIdentifier)")
    }
    store.close()
  }

  @Test func aLongPollEndsWithTheFirstChange() async throws {
    let fixture = try StoreFixture(threads: true)
    let store = try fixture.open()
    _ = try await store.upload(pattern(1))
    let start = try await store.changes(after: nil, limit: 10, wait: .zero).position
    async let page = store.changes(after: start, limit: 10, wait: .seconds(50))
    _ = try await store.upload(pattern(2))
    #expect(try await page.count == 1)
    #expect(try await store.changes(after: start, limit: 10, wait: .seconds(50)).count == 1)
    let end = try await store.changes(after: nil, limit: 10, wait: .zero).position
    #expect(try await store.changes(after: end, limit: 10, wait: .milliseconds(1)).count == 0)
    store.close()
  }

  @Test func modesAllowWhatTheyAllow() async throws {
    let fixture = try StoreFixture(mode: .rw, threads: true)
    var store = try fixture.open()
    let id = try await store.upload(pattern(5)).record.fileID
    #expect(try store.record(id)?.retentionPolicy == .permanent)
    #expect(await code { try await store.delete(id, by: Actor("x")) } == .modeNotAllowed)
    #expect(await code { try await store.transition(to: .ar, confirm: true, by: Actor("x")) } == .invalidTransition)
    _ = try await store.transition(to: .ro, confirm: false, by: Actor("x"))
    #expect(await code { try await store.upload(pattern(5)) } == .modeNotAllowed)
    #expect(
      await code { try await store.transition(to: .ar, confirm: false, by: Actor("x")) } == .confirmationRequired)
    let done = try await store.transition(to: .ar, confirm: true, by: Actor("x"))
    #expect(done.previous == .ro && done.current == .ar)
    #expect(await code { try store.open(id) } == .modeNotAllowed)
    store.close()
    store = try fixture.open()
    #expect(store.mode == .ar)
    try await store.setMode(.ro, by: Actor("host"))
    #expect(try store.bytes(id) == pattern(5))
    store.close()
  }

  @Test func attributesOfVersion1AreRead() throws {
    let text =
      #"{"version":1,"epoch":1795184112000000,"lsn":42,"storage_path":"files/2026/11/20/14/a_b_c.pdf","#
      + #""file_id":"11111111-2222-4333-8444-555555555555","original_filename":"отчёт.pdf","#
      + #""content_type":"application/pdf","size":12,"#
      + #""checksum":"\#(String(repeating: "ab", count: 32))","uploaded_by":"ivanov","#
      + #""uploaded_at":"2026-11-20T14:30:12Z","status":"active","retention_policy":"temporary","tags":["a"],"#
      + #""ttl_days":30,"expires_at":"2026-12-20T14:30:12Z","metadata":{"k":[1,null]}}"#
    let attributes = try Attributes(Array(text.utf8))
    #expect(attributes.lsn == 42 && attributes.record.originalFilename == "отчёт.pdf")
    // Written as it was.
    let written = Attributes.encode(
      json: attributes.record.json, path: attributes.path, epoch: attributes.epoch, lsn: attributes.lsn)
    #expect(String(decoding: written, as: UTF8.self) == text)
    let newer = text.replacing("\"version\":1", with: "\"version\":2")
    #expect(throws: (any Error).self) { try Attributes(Array(newer.utf8)) }
    #expect(throws: (any Error).self) { try Attributes(Array(text.replacing("files/2026", with: "files/../x").utf8)) }
  }

  @Test func storedNamesAreSafeInAnyScript() {
    let id = FileID("11111111-2222-4333-8444-555555555555")!
    let time = Timestamp("2026-11-20T14:30:12Z")!
    func name(_ filename: String, _ user: String = "u") -> String {
      let path = StoredName.path(id: id, filename: filename, uploader: user, at: time)
      return String(path.dropFirst("files/2026/11/20/14/".count))
    }
    #expect(name("Отчёт за 2026.pdf") == "Отчёт-за-2026_u_20261120T143012_\(id).pdf")
    #expect(name("報告書.txt") == "報告書_u_20261120T143012_\(id).txt")
    #expect(name(".hidden") == "hidden_u_20261120T143012_\(id)")
    #expect(name("a b/../c\u{7}d", "x/../y") == "a-b_x-..-y_20261120T143012_\(id).c-d")
    #expect(name("🙂") == "-_u_20261120T143012_\(id)")
    for text in [String(repeating: "я", count: 255), String(repeating: "x", count: 255) + ".pdf"] {
      #expect(name(text).utf8.count <= 250)
    }
  }
}
