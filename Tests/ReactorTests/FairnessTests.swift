import Glibc
import Reactor
import Testing

/// Sockets are looked at again before a crowd of tasks has had its turn.
@Suite(.timeLimit(.minutes(1)))
struct FairnessTests {
  /// Confined to its loop.
  final class Record: ChannelReader {
    var tasksBefore = 0
    var tasksWhenAsked: Int?

    func readyToRead() -> Deadline? {
      tasksWhenAsked = tasksBefore
      return .never
    }

    func parkEnded(_ failure: ReactorError?) {}
  }

  @Test func aSocketDoesNotWaitForAllTasks() async throws {
    let asked = try await onLoop { loop in
      let (a, b) = connectedPair()
      defer { close(b) }
      let channel = try Channel(descriptor: a, loop: loop)
      defer { channel.close() }
      try await channel.readable(until: .never, "test")
      nonisolated(unsafe) let record = Record()  // everything here runs on one loop
      #expect(channel.park(until: .never, "test", reader: record))
      await withTaskGroup(of: Void.self) { group in
        group.addTask { put(b) }
        for _ in 0..<400 { group.addTask { record.tasksBefore += 1 } }
      }
      return record.tasksWhenAsked
    }
    #expect(try #require(asked) < 100, "of 400 tasks that were ready when the socket was")
  }

  /// Two handshakes that began in one turn of a loop that then had nothing else to do: the second one hung.
  @Test func whoWaitsForATurnGetsItOnAnIdleLoop() async throws {
    try await onLoop { loop in
      await withTaskGroup(of: Void.self) { group in
        group.addTask {
          await loop.takeTurn()
          // Its peer is slow. Ends by being cancelled.
          do { try await IO.sleep(.seconds(600)) } catch { return }
        }
        group.addTask { await loop.takeTurn() }
        await group.next()
        group.cancelAll()
      }
    }
  }
}
