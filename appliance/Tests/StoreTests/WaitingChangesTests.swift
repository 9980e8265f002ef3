import Core
import HTTP
import StorageAPI
import Synchronization
import Testing

@testable import Store

/// Changes that are answered and not yet in SQLite (decision 0070): no reader sees the difference.
@Suite struct WaitingChangesTests {
  private final class Replies: Sendable {
    let all = Mutex<[Result<Command.Reply, APIError>]>([])
    var codes: [ErrorCode?] {
      all.withLock { all in
        all.map { if case .failure(let error) = $0 { error.code } else { nil } }
      }
    }
  }

  /// Commits on this thread; nothing enters SQLite by it.
  private func commit(_ store: Store, _ actions: [Command.Action]) -> [ErrorCode?] {
    let replies = Replies()
    store.committer.commit(
      actions.map { action in
        Command(action: action, actor: Actor("ivanov")) { reply in replies.all.withLock { $0.append(reply) } }
      })
    return replies.codes
  }

  private func document(_ store: Store, _ bytes: [UInt8], id: FileID? = nil) async throws -> PreparedDocument {
    var draft = FileDraft(filename: "a.pdf", uploadedBy: "ivanov")
    draft.id = id
    let upload = try store.beginUpload(draft)
    try upload.take(bytes)
    let prepared = try await upload.prepare(expected: nil, attributes: nil).document
    upload.abort()
    return prepared
  }

  @Test func everyReaderSeesThem() async throws {
    let fixture = try StoreFixture()
    let store = try fixture.open()
    defer { store.close() }
    let index = store.shared.index
    let used = index.usedBytes
    let first = try await document(store, pattern(100), id: .random(fixture.random))
    let id = first.record.fileID
    #expect(commit(store, [.put(first)]) == [nil])
    let settled = index.settledLSN
    #expect(settled < index.appliedLSN)
    // By its id.
    #expect(try store.record(id)?.size == 100)
    #expect(try store.bytes(id) == pattern(100))
    #expect(index.usedBytes == used + 100)
    // For decisions about it: the same id is refused, a change is built on what waits.
    #expect(commit(store, [.put(first)]) == [.conflict])
    #expect(commit(store, [.patch(id, FilePatch(description: .some("new")))]) == [nil])
    #expect(try store.record(id)?.description == "new")
    #expect(index.settledLSN == settled, "none of this needed SQLite")
    // By whatever reads more than one document.
    let page = try await store.list(ListQuery())
    #expect(page.count == 1 && page.total == 1)
    #expect(index.settledLSN == index.appliedLSN)
    #expect(index.usedBytes == used + 100)
    #expect(commit(store, [.delete(id)]) == [nil])
    let feed = try await store.changes(after: nil, limit: 10, wait: .zero)
    #expect(feed.count == 1 && String(decoding: feed.lines, as: UTF8.self).contains("deleted"))
    fixture.clock.advance(.seconds(10))
    #expect(commit(store, [.purge(id, before: fixture.clock.now())]) == [nil])
    #expect(index.settledLSN < index.appliedLSN)
    #expect(try store.record(id) == nil)
    #expect(try index.isRemoved(id))
    #expect(try await store.list(ListQuery()).count == 0)
    #expect(try index.isRemoved(id))
    #expect(store.summary.position?.lsn == index.appliedLSN)
  }

  @Test func aPositionThatWasAnsweredIsKnownAtOnce() async throws {
    let fixture = try StoreFixture()
    let store = try fixture.open()
    defer { store.close() }
    let made = try await document(store, pattern(10))
    #expect(commit(store, [.put(made)]) == [nil])
    let position = store.shared.position(store.shared.index.appliedLSN)
    #expect(store.shared.index.settledLSN < position.lsn)
    #expect(try await store.changes(after: position, limit: 10, wait: .zero).count == 0)
  }

  @Test func manyEnterAtOnceAndTheDigestIsOfAllOfThem() async throws {
    let fixture = try StoreFixture()
    let store = try fixture.open()
    defer { store.close() }
    var actions: [Command.Action] = []
    for number in 0..<50 { actions.append(.put(try await document(store, pattern(number + 1)))) }
    for action in actions { #expect(commit(store, [action]) == [nil]) }
    let digest = try await store.digest()
    #expect(digest.position.lsn == store.shared.index.settledLSN)
    #expect(store.summary.counts[.active]?.files == 50)
    #expect(store.summary.usedBytes == (1...50).reduce(0, +))
  }

  @Test func whenTheyCannotEnterTheStoreStops() async throws {
    let fixture = try StoreFixture()
    let store = try fixture.open()
    defer { store.close() }
    let made = try await document(store, pattern(10))
    #expect(commit(store, [.put(made)]) == [nil])
    try store.shared.index.writer.withLock { (writer) throws(SQLiteError) in
      try writer.connection.execute("DROP TABLE files")
    }
    await #expect(throws: APIError.self) { try await store.list(ListQuery()) }
    guard case .failed = store.shared.index.state else {
      Issue.record("the index does not say that it failed")
      return
    }
    // What was answered is still found.
    #expect(try store.record(made.record.fileID)?.size == 10)
    let next = try await document(store, pattern(10))
    #expect(commit(store, [.put(next)]) == [.readOnly])
    #expect(store.readOnlyReason?.contains("index") == true)
  }
}
