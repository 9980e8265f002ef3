import Core
import FoundationEssentials
import StorageAPI
import Testing

@testable import Store

/// Segments that are sealed before they are full.
@Suite struct SealTests {
  private let actor = Actor("test")

  @Test func aShortSegmentIsArchivedAndItsHistoryIsRead() async throws {
    let fixture = try StoreFixture(threads: true)
    let store = try fixture.open()
    #expect(try await store.sealJournal(by: actor).sealed == false, "a start alone is no history")
    let id = try await store.upload(pattern(100)).record.fileID
    let answer = try await store.sealJournal(by: actor)
    #expect(answer.sealed && answer.head.number == 2)
    #expect(store.summary.chainHead == answer.head.previous)
    store.close()
    #expect(FileManager.default.fileExists(atPath: archive(fixture, 1)))
    let again = try fixture.open()
    let chain = try await again.chain(before: nil, limit: 10, contents: true)
    #expect(chain.segments.map(\.number) == [2, 1])
    #expect(chain.segments[0].hash == nil, "the active one has none yet")
    #expect(chain.segments[1].hash == answer.head.previous && chain.segments[0].previous == answer.head.previous)
    #expect(try again.journaled([id]) { _ in }[id] != nil)
    #expect(try again.bytes(id) == pattern(100))
    #expect(try await again.sealJournal(by: actor).sealed == false, "neither starts nor checkpoints are history")
    again.close()
    // What is in the active segment at a start counts as well.
    let third = try fixture.open()
    _ = try await third.upload(pattern(10))
    third.close()
    let fourth = try fixture.open()
    #expect(try await fourth.sealJournal(by: actor).sealed)
    fourth.close()
  }

  @Test func whoAsksOftenGetsTheSameSegment() async throws {
    let fixture = try StoreFixture(threads: true)
    let store = try fixture.open()
    defer { store.close() }
    _ = try await store.upload(pattern(10))
    let first = try await store.sealJournal(by: actor)
    _ = try await store.upload(pattern(10))
    #expect(try await store.sealJournal(by: actor) == JournalSealAnswer(sealed: false, head: first.head))
    fixture.clock.advance(.seconds(301))
    let next = try await store.sealJournal(by: actor)
    #expect(next.sealed && next.head.number == first.head.number + 1)
  }

  /// A head says what the bytes were; `contents` says what they are.
  @Test func changedBytesShowBesideTheirHead() async throws {
    let fixture = try StoreFixture(threads: true)
    let store = try fixture.open()
    _ = try await store.upload(pattern(100))
    _ = try await store.sealJournal(by: actor)
    store.close()
    var bytes = Array(try Data(contentsOf: URL(filePath: archive(fixture, 1))))
    bytes[bytes.count / 2] ^= 0xff
    try Data(bytes).write(to: URL(filePath: archive(fixture, 1)))
    let again = try fixture.open()
    defer { again.close() }
    let link = try #require(try await again.chain(before: nil, limit: 10, contents: true).segments.last)
    #expect(link.number == 1 && link.hash == nil && link.problem != nil)
  }

  private func archive(_ fixture: StoreFixture, _ number: Int) -> String {
    let digits = String(number)
    return "\(fixture.root)/wal/archive/" + String(repeating: "0", count: 18 - digits.count) + digits + ".wal.lz4"
  }
}
