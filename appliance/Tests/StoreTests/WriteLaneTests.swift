import Core
import Disk
import Dispatch
import Synchronization
import Testing

@testable import Store

/// Large documents are written by another thread, many pieces at once (decision 0095).
@Suite struct WriteLaneTests {
  private static let gather = 64 << 10

  private func writing<Result>(
    threads: Int = 2, clock: TestClock = TestClock(), _ body: (WriteLanes) async throws -> Result
  ) async throws -> Result {
    let lanes = try WriteLanes(threads: threads, gatherBytes: Self.gather, time: clock)
    defer { lanes.stop() }
    return try await body(lanes)
  }

  /// From an odd place, in pieces of every size, with the pauses of an upload in pieces; on threads and without.
  @Test(arguments: [(0, 2), (5001, 2), (5001, 0), (4096, 0)])
  func everythingArrivesAtItsPlace(_ start: Int, _ threads: Int) async throws {
    let file = MemoryFile()
    let all = SeededRandom(seed: 4).bytes(1_500_000)
    try file.write(Array(all.prefix(start)), at: 0)
    try await writing(threads: threads) { lanes in
      let lane = lanes.lane(file, at: start)
      var (at, step) = (start, 1)
      while at < all.count {
        let end = min(all.count, at + step)
        try lane.add(Array(all[at..<end])[...])
        await lane.room()
        (at, step) = (end, step * 5 % 30_011 + 1)
        if step % 97 == 0 {
          try await lane.flush()
          #expect(lane.written == at)
        }
      }
      try await lane.flush()
      #expect(lane.written == all.count)
      lane.close()
    }
    #expect(file.bytes == all)
    #expect(file.mistakes == [])
    #expect(file.contents.withLock { $0.isClosed && $0.behindCalls > 0 && $0.plainCalls > 0 })
  }

  @Test func whatComesFastIsGatheredAndWhatComesSlowlyIsNotKept() async throws {
    let clock = TestClock()
    try await writing(threads: 0, clock: clock) { lanes in
      let file = MemoryFile()
      let lane = lanes.lane(file, at: 0)
      defer { lane.close() }
      // Until so much has come nobody knows.
      for count in 1...4 {
        #expect(lanes.gatheringCount == 0)
        try lane.add(pattern(16_384)[...])
        #expect(file.bytes.count == (count < 4 ? count : 3) * 16_384)
      }
      for _ in 0..<60 { try lane.add(pattern(16_384)[...]) }
      #expect(file.contents.withLock { $0.behindCalls } == 3 + 15)
      #expect(file.bytes.count == 63 * 16_384, "one alone waits for more")
      clock.advance(.seconds(2))
      try lane.add(pattern(100)[...])
      #expect(file.bytes.count == 64 * 16_384 + 100 && lanes.gatheringCount == 0, "a slow piece takes it along")
      for count in 1...100 {
        clock.advance(.milliseconds(20))
        try lane.add(pattern(1000)[...])
        #expect(file.bytes.count == 64 * 16_384 + 100 + count * 1000)
      }
      #expect(file.contents.withLock { $0.behindCalls } == 3 + 15 + 1, "little is written as it always was")
    }
  }

  @Test func onlySoManyLanesGather() async throws {
    try await writing(threads: 0) { lanes in
      let files = (0..<WriteLanes.gatheringMax + 2).map { _ in MemoryFile() }
      let open = files.map { lanes.lane($0, at: 0) }
      for lane in open {
        try lane.add(pattern(Self.gather)[...])
        try lane.add(pattern(8192)[...])
      }
      #expect(lanes.gatheringCount == WriteLanes.gatheringMax)
      #expect(files.map(\.bytes.count).suffix(3) == [Self.gather, Self.gather + 8192, Self.gather + 8192])
      for lane in open { lane.close() }
      #expect(lanes.gatheringCount == 0)
    }
  }

  /// What came after the failure is given up, and how far it came is known.
  @Test(arguments: [0, 2]) func aFailedWriteIsToldAndNothingFollowsIt(_ threads: Int) async throws {
    try await writing(threads: threads) { lanes in
      let file = MemoryFile(failsFrom: 200_000)
      let lane = lanes.lane(file, at: 0)
      await #expect(throws: DiskError.full("pwritev2", "/memory")) {
        for _ in 0..<40 {
          try lane.add(pattern(16_384)[...])
          await lane.room()
        }
        try await lane.flush()
      }
      #expect(throws: DiskError.full("pwritev2", "/memory")) { try lane.add(pattern(10)[...]) }
      #expect(lane.written == file.bytes.count && lane.written <= 200_000)
      // Three alone, then four at a time.
      if threads == 0 { #expect(lane.written == 11 * 16_384) }
      lane.close()
    }
  }

  /// An upload is given up while its bytes are being written: the descriptor's number could be another file's.
  @Test func aFileIsNotClosedUnderAWrite() async throws {
    let gate = DispatchSemaphore(value: 0)
    let begun = AsyncStream<Void>.makeStream()
    let file = MemoryFile {
      begun.continuation.yield()
      gate.wait()
    }
    let lanes = try WriteLanes(threads: 1, gatherBytes: Self.gather, time: TestClock())
    let lane = lanes.lane(file, at: 0)
    var writes = begun.stream.makeAsyncIterator()
    try lane.add(pattern(100)[...])
    await writes.next()
    try lane.add(pattern(200)[...])
    lane.close()
    #expect(!file.contents.withLock { $0.isClosed })
    gate.signal()
    // Joins the thread.
    lanes.stop()
    #expect(file.contents.withLock { $0.isClosed && $0.bytes.count == 100 })
    #expect(file.mistakes == [])
  }
}
