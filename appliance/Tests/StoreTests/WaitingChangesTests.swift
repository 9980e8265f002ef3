import Core
import HTTP
import StorageAPI
import Testing

@testable import Store

/// Changes that are answered and not yet in SQLite (decision 0070): no reader sees the difference.
@Suite struct WaitingChangesTests {
  @Test func everyReaderSeesThem() async throws {
    let fixture = try StoreFixture()
    let store = try fixture.open()
    defer { store.close() }
    let index = store.shared.index
    let used = index.usedBytes
    let first = try await store.prepared(pattern(100), id: .random(fixture.random))
    let id = first.record.fileID
    #expect(store.commit([.put(first)]) == [nil])
    let settled = index.settledLSN
    #expect(settled < index.appliedLSN)
    // By its id.
    #expect(try store.record(id)?.size == 100)
    #expect(try store.bytes(id) == pattern(100))
    #expect(index.usedBytes == used + 100)
    // For decisions about it: the same id is refused, a change is built on what waits.
    #expect(store.commit([.put(first)]) == [.conflict])
    #expect(store.commit([.patch(id, FilePatch(description: .some("new")))]) == [nil])
    #expect(try store.record(id)?.description == "new")
    #expect(index.settledLSN == settled, "none of this needed SQLite")
    // By whatever reads more than one document.
    let page = try await store.list(ListQuery())
    #expect(page.count == 1 && page.total == 1)
    #expect(index.settledLSN == index.appliedLSN)
    #expect(index.usedBytes == used + 100)
    #expect(store.commit([.delete(id)]) == [nil])
    let feed = try await store.changes(after: nil, limit: 10, wait: .zero)
    #expect(feed.count == 1 && String(decoding: feed.lines, as: UTF8.self).contains("deleted"))
    fixture.clock.advance(.seconds(10))
    #expect(store.commit([.purge(id, before: fixture.clock.now())]) == [nil])
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
    let made = try await store.prepared(pattern(10))
    #expect(store.commit([.put(made)]) == [nil])
    let position = store.shared.position(store.shared.index.appliedLSN)
    #expect(store.shared.index.settledLSN < position.lsn)
    #expect(try await store.changes(after: position, limit: 10, wait: .zero).count == 0)
  }

  @Test func manyEnterAtOnceAndTheDigestIsOfAllOfThem() async throws {
    let fixture = try StoreFixture()
    let store = try fixture.open()
    defer { store.close() }
    var actions: [Command.Action] = []
    for number in 0..<50 { actions.append(.put(try await store.prepared(pattern(number + 1)))) }
    for action in actions { #expect(store.commit([action]) == [nil]) }
    let digest = try await store.digest()
    #expect(digest.position.lsn == store.shared.index.settledLSN)
    #expect(store.summary.counts[.active]?.files == 50)
    #expect(store.summary.usedBytes == (1...50).reduce(0, +))
  }

}
