import Core
import Crypto
import Disk
import HTTP
import StorageAPI
import Store
import Testing

@Suite struct StoreTests {
  @Test(arguments: [0, 1, 4096, 65_536, 65_537, 1_000_000])
  func aDocumentComesBackAsItWent(size: Int) async throws {
    let fixture = try StoreFixture(threads: true)
    let store = try fixture.open()
    let body = pattern(size)
    let done = try await store.upload(body)
    #expect(done.record.size == size)
    #expect(done.record.checksum == SHA256.digest(body))
    #expect(try store.bytes(done.record.fileID) == body)
    #expect(try store.recordJSON(done.record.fileID) == done.record.json)
    store.close()
    let files = try fixture.files("files")
    #expect(files.count == 2)
    #expect(files[0].hasPrefix("2026/11/20/14/report_ivanov_20261120T143012_\(done.record.fileID)"))
    #expect(files[0].hasSuffix(".pdf") && files[1] == files[0] + ".attr.json")
    #expect(try fixture.files("staging").isEmpty)
    let again = try fixture.open()
    #expect(try again.bytes(done.record.fileID) == body)
    again.close()
  }

  @Test func attributesArePatchedDocumentsDeletedAndTheFeedTellsIt() async throws {
    let fixture = try StoreFixture(threads: true)
    let store = try fixture.open()
    let first = try await store.upload(pattern(100), as: "отчёт.txt")
    let second = try await store.upload(pattern(70_000))
    let patched = try await store.update(
      first.record.fileID, FilePatch(description: "годовой", tags: ["a", "b"]), by: Actor("petrov"))
    #expect(patched.record.description == "годовой")
    let start = try await store.changes(after: nil, limit: 100, wait: .zero)
    #expect(start.count == 2 && !start.hasMore)
    let text = String(decoding: start.lines, as: UTF8.self).split(separator: "\n")
    #expect(text.count == 3 && text[0].contains(second.record.fileID.description) && text[1].contains("годовой"))
    #expect(text[2] == "{\"cursor\":\"\(start.position.cursor)\",\"more\":false}")
    _ = try await store.delete(second.record.fileID, by: Actor("petrov"))
    #expect(await code { try store.open(second.record.fileID) } == .notFound)
    #expect(await code { try await store.delete(second.record.fileID, by: Actor("petrov")) } == .notFound)
    #expect(try store.record(second.record.fileID)?.status == .deleted)
    let next = try await store.changes(after: start.position, limit: 100, wait: .zero)
    #expect(next.count == 1 && String(decoding: next.lines, as: UTF8.self).contains("\"status\":\"deleted\""))
    fixture.clock.advance(.seconds(10))
    try await store.purge(second.record.fileID, goneBefore: fixture.clock.now(), by: Actor("gc"))
    #expect(try store.record(second.record.fileID) == nil)
    let last = try await store.changes(after: next.position, limit: 100, wait: .zero)
    #expect(String(decoding: last.lines, as: UTF8.self).hasPrefix("{\"op\":\"delete\",\"lsn\":"))
    store.close()
    #expect(try fixture.files("files").count == 2)
  }

  @Test func listingPagesAreStableAndTotalsCounted() async throws {
    let fixture = try StoreFixture(threads: true)
    let store = try fixture.open()
    var ids: [FileID] = []
    for number in 0..<7 { ids.append(try await store.upload(pattern(number)).record.fileID) }
    _ = try await store.delete(ids[2], by: Actor("x"))
    var seen = 0
    var cursor: String?
    repeat {
      let page = try await store.list(ListQuery(limit: 3, cursor: cursor))
      #expect(page.total == 7)
      seen += page.count
      cursor = page.nextCursor
    } while cursor != nil
    #expect(seen == 7)
    let active = try await store.list(ListQuery(limit: 100, offset: 2, status: .active))
    #expect(active.count == 4 && active.total == 6 && !active.hasMore)
    #expect(await code { try await store.list(ListQuery(limit: 0)) } == .validation)
    #expect(await code { try await store.list(ListQuery(cursor: "nonsense")) } == .validation)
    #expect(store.summary.counts[.deleted] == .init(files: 1, bytes: 2))
    store.close()
  }

  @Test func whatASaidToBeTooMuchLeavesNothingBehind() async throws {
    let fixture = try StoreFixture(threads: true)
    fixture.configuration.fileBytesMax = 100_000
    let store = try fixture.open()
    for name in ["", "..", "../x", "a/b", "a\\b", "a\u{1}b", String(repeating: "я", count: 256)] {
      #expect(await code { try store.beginUpload(FileDraft(filename: name, uploadedBy: "x")) } == .validation)
    }
    let upload = try store.beginUpload(FileDraft(filename: "x", uploadedBy: "x"))
    try await upload.write(pattern(90_000))
    #expect(await code { try await upload.write(pattern(20_000)) } == .fileTooLarge)
    upload.abort()
    let other = try store.beginUpload(FileDraft(filename: "x", uploadedBy: "x"))
    try await other.write(pattern(90_000))
    #expect(await code { try await other.finish(expected: SHA256.digest([1])) } == .checksumMismatch)
    var draft = FileDraft(filename: "x", uploadedBy: "x")
    draft.metadata = ["k": .string(String(repeating: "m", count: 4000))]
    let large = try store.beginUpload(draft)
    #expect(await code { try await large.finish() } == .validation)
    #expect(try fixture.files("staging").isEmpty)
    #expect(try fixture.files("files").isEmpty)
    #expect(store.summary.counts[.active]?.files == 0)
    store.close()
  }

  @Test func aChosenIDIsTakenOnce() async throws {
    let fixture = try StoreFixture(threads: true)
    let store = try fixture.open()
    let id = FileID("11111111-2222-4333-8444-555555555555")!
    _ = try await store.upload(pattern(10), id: id)
    #expect(await code { try await store.upload(pattern(10), id: id) } == .conflict)
    #expect(await code { try await store.upload(pattern(100_000), id: id) } == .conflict)
    #expect(try store.bytes(id) == pattern(10))
    store.close()
    #expect(try fixture.files("staging").isEmpty)
  }

  @Test func manyUploadsShareSyncs() async throws {
    let fixture = try StoreFixture(threads: true)
    let store = try fixture.open()
    let ids = try await withThrowingTaskGroup(of: FileID.self) { group in
      for number in 0..<200 {
        group.addTask { try await store.upload(pattern(number), as: "d\(number).bin").record.fileID }
      }
      var ids: Set<FileID> = []
      for try await id in group { ids.insert(id) }
      return ids
    }
    #expect(ids.count == 200)
    #expect(store.summary.journal.batches < 200)
    #expect(store.summary.counts[.active]?.files == 200)
    for id in ids { #expect(try store.bytes(id).count == store.record(id)?.size) }
    store.close()
    #expect(try fixture.files("files").count == 400)
  }
}
