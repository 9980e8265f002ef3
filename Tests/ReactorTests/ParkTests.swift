import Glibc
import Reactor
import Testing

/// Waiting without a task, and taking turns.
@Suite(.timeLimit(.minutes(1)))
struct ParkTests {
  /// Deals with what comes as long as `patience` lasts; confined to its loop.
  final class Reader: ChannelReader {
    let channel: Channel
    var patience: Int
    var asked = 0
    var endings: [ReactorError?] = []

    init(_ channel: Channel, patience: Int) {
      self.channel = channel
      self.patience = patience
    }

    func readyToRead() -> Deadline? {
      asked += 1
      withUnsafeTemporaryAllocation(byteCount: 64, alignment: 1) { _ = channel.receive(into: $0) }
      return asked <= patience ? .never : nil
    }

    func parkEnded(_ failure: ReactorError?) { endings.append(failure) }

    func until(_ isTrue: () -> Bool) async throws {
      while !isTrue() { try await IO.sleep(.milliseconds(1)) }
    }
  }

  @Test func theReaderIsAskedUntilItWantsATask() async throws {
    try await onLoop { loop in
      let (a, b) = connectedPair()
      defer { close(b) }
      let channel = try Channel(descriptor: a, loop: loop)
      // What is true before anything was waited for.
      try await channel.readable(until: .never, "test")
      let reader = Reader(channel, patience: 2)
      #expect(channel.park(until: .never, "test", reader: reader))
      for count in 1...3 {
        #expect(reader.endings.isEmpty)
        put(b)
        try await reader.until { reader.asked == count }
      }
      #expect(reader.endings == [nil])
      // From here on a task waits as ever.
      put(b)
      try await channel.readable(until: .after(.seconds(10)), "test")
      #expect(reader.asked == 3)
      channel.close()
      #expect(reader.endings == [nil])
    }
  }

  @Test func deadlineNudgePeersEndAndCloseEndIt() async throws {
    try await onLoop { loop in
      let (a, b) = connectedPair()
      let channel = try Channel(descriptor: a, loop: loop)
      try await channel.readable(until: .never, "test")
      let reader = Reader(channel, patience: .max)
      #expect(channel.park(until: .after(.milliseconds(5)), "a request", reader: reader))
      try await reader.until { reader.endings.count == 1 }
      #expect(reader.endings.last == .timedOut("a request"))
      #expect(channel.park(until: .never, "test", reader: reader))
      channel.nudge()
      #expect(reader.endings.count == 2 && reader.endings.last == .some(nil))
      #expect(channel.park(until: .never, "test", reader: reader))
      close(b)
      try await reader.until { reader.endings.count == 3 }
      #expect(reader.endings.last == .some(nil))
      #expect(!channel.park(until: .never, "test", reader: reader), "the end is there to be read")
      let (c, d) = connectedPair()
      defer { close(d) }
      let other = try Channel(descriptor: c, loop: loop)
      #expect(!other.park(until: .never, "test", reader: reader), "nobody has looked yet")
      try await other.readable(until: .never, "test")
      #expect(other.park(until: .never, "test", reader: reader))
      other.close()
      #expect(reader.endings.count == 4 && reader.endings.last == .cancelled)
      channel.close()
      #expect(reader.endings.count == 4 && reader.asked == 0)
    }
  }

  /// A turn of the loop, which begins by asking the sockets and has one time, has room for one long piece.
  @Test func longPiecesTakeTurnsInOrder() async throws {
    let turns = try await onLoop { loop in
      final class Record {
        var order: [Int] = []
        var turns: [Deadline] = []
      }
      nonisolated(unsafe) let record = Record()  // everything here runs on one loop
      await withTaskGroup(of: Void.self) { group in
        for number in 0..<20 {
          group.addTask {
            await loop.takeTurn()
            record.order.append(number)
            record.turns.append(loop.now)
          }
          // Between them others have more to do than fits into a turn.
          for _ in 0..<100 { group.addTask { for _ in 0..<3 { await Task.yield() } } }
        }
      }
      #expect(record.order == Array(0..<20))
      return record.turns
    }
    #expect(zip(turns, turns.dropFirst()).allSatisfy { $0 < $1 }, "two in one turn: \(turns)")
  }
}
