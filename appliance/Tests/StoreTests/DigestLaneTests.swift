import Core
import Crypto
import HTTP
import StorageAPI
import Testing

@testable import Store

/// Large documents are hashed by another thread (decision 0073).
@Suite struct DigestLaneTests {
  private func upload(_ store: Store, _ bytes: [UInt8], expected: Checksum?) async throws -> Committed {
    let upload = try store.beginUpload(FileDraft(filename: "large.bin", uploadedBy: "ivanov"))
    var (start, step) = (0, 1)
    while start < bytes.count {
      let end = min(bytes.count, start + step)
      try await upload.write(Array(bytes[start..<end]))
      start = end
      step = step * 3 % 262_144 + 1
    }
    return try await upload.finish(expected: expected)
  }

  @Test func theDigestIsOfAllPiecesInTheirOrder() async throws {
    let fixture = try StoreFixture(threads: true)
    let store = try fixture.open()
    defer { store.close() }
    let bytes = SeededRandom(seed: 11).bytes(3_000_000)
    let done = try await upload(store, bytes, expected: SHA256.digest(bytes))
    #expect(done.record.checksum == SHA256.digest(bytes))
    #expect(try store.bytes(done.record.fileID) == bytes)
    let other = SHA256.digest(Array(bytes.dropLast()))
    #expect(await code { try await upload(store, bytes, expected: other) } == .checksumMismatch)
  }

  @Test func manyUploadsShareTheThreads() async throws {
    let fixture = try StoreFixture(threads: true)
    let store = try fixture.open()
    defer { store.close() }
    try await withThrowingTaskGroup(of: Void.self) { group in
      for seed in 0..<12 {
        group.addTask {
          let bytes = SeededRandom(seed: UInt64(seed)).bytes(700_000 + seed)
          _ = try await upload(store, bytes, expected: SHA256.digest(bytes))
        }
      }
      try await group.waitForAll()
    }
    #expect(store.summary.counts[.active]?.files == 12)
  }

  /// More comes than is hashed: the sender waits, and is woken.
  @Test func aSenderWaitsForTheHash() async throws {
    let threads = try DiskWorkers("test-hash", threads: 1)
    defer { threads.stop() }
    let lane = DigestLane(DocumentDigest(), on: threads, portionBytes: 500_000)
    let piece = SeededRandom(seed: 1).bytes(200_000)
    var whole = DocumentDigest()
    for number in 0..<200 {
      lane.add(piece[...], isFast: number % 50 < 40)
      whole.update(piece)
      await lane.room()
      #expect(lane.waitingBytes <= 2_000_000)
    }
    let (found, expected) = (await lane.finish(), (whole.current(), whole.sums))
    #expect(found == expected)
    #expect(lane.waitingBytes == 0)
  }
}
