import Glibc
import Reactor
import Synchronization
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

  @Test func longTasksAreNotRunInARow() async throws {
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
        for _ in 0..<12 {
          group.addTask {
            spin(.milliseconds(1))
            record.tasksBefore += 1
          }
        }
      }
      return record.tasksWhenAsked
    }
    #expect(try #require(asked) < 6, "of 12 long tasks that were ready when the socket was")
  }

  /// Reads what came and wants its task; confined to its loop.
  final class Eager: ChannelReader {
    let channel: Channel

    init(_ channel: Channel) { self.channel = channel }

    func readyToRead() -> Deadline? {
      withUnsafeTemporaryAllocation(byteCount: 64, alignment: 1) { _ = channel.receive(into: $0) }
      return nil
    }

    func parkEnded(_ failure: ReactorError?) {}
  }

  /// A task that was woken has to wait for a longer one, and sockets are looked at in between: what came then was
  /// forgotten, and the next wait took until its deadline.
  @Test func whatComesBeforeAWokenTaskRunsIsKnownToIt() async throws {
    let mayBeReadable = try await onLoop { loop in
      let (long, longPeer) = connectedPair()
      let (woken, wokenPeer) = connectedPair()
      let (before, channel) = (try Channel(descriptor: long, loop: loop), try Channel(descriptor: woken, loop: loop))
      defer {
        before.close()
        channel.close()
        close(longPeer)
        close(wokenPeer)
      }
      try await before.readable(until: .never, "test")
      try await channel.readable(until: .never, "test")
      return try await withThrowingTaskGroup(of: Bool?.self) { group in
        group.addTask {
          try await before.readable(until: .never, "test")
          put(wokenPeer)
          spin(.milliseconds(1))
          return nil
        }
        group.addTask {
          try await channel.readableUntilClosed(.never, "test", reader: Eager(channel))
          return channel.mayBeReadable
        }
        group.addTask {
          put(longPeer)
          put(wokenPeer)
          return nil
        }
        var found: Bool?
        for try await one in group { found = one ?? found }
        return found
      }
    }
    #expect(mayBeReadable == true)
  }

  final class Race: Sendable {
    let order = Mutex<[Int]>([])
    let arrived = Atomic(0)
  }

  /// Two loops with much to do on one core: each gets it again before the scheduler's tick, which comes after some
  /// forty of these tasks.
  @Test func aBusyLoopLetsOthersHaveItsCore() async throws {
    let group = try EventLoopGroup(loops: 2)
    defer { group.shutdown() }
    let race = Race()
    try await withThrowingTaskGroup(of: Void.self) { tasks in
      for loop in group.loops {
        tasks.addTask(executorPreference: loop) {
          try stayOnFirstCore()
          race.arrived.add(1, ordering: .relaxed)
          while race.arrived.load(ordering: .relaxed) < 2 { sched_yield() }
          for _ in 0..<400 {
            spin(.microseconds(100))
            race.order.withLock { $0.append(loop.index) }
            await Task.yield()
          }
        }
      }
      try await tasks.waitForAll()
    }
    let all = race.order.withLock { $0 }
    let changes = zip(all, all.dropFirst()).count { $0 != $1 }
    #expect(changes > 80, "of 800 tasks")
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

/// Keeps the thread busy.
private func spin(_ duration: Duration) {
  let start = ContinuousClock.now
  while ContinuousClock.now - start < duration {}
}

/// Pins the thread to the first of the cores that it may use. These calls are GNU's: the Glibc module has none of them.
private func stayOnFirstCore() throws {
  typealias Affinity = @convention(c) (pid_t, Int, UnsafeMutablePointer<UInt>) -> CInt
  let get = unsafeBitCast(try #require(dlsym(nil, "sched_getaffinity")), to: Affinity.self)
  let set = unsafeBitCast(try #require(dlsym(nil, "sched_setaffinity")), to: Affinity.self)
  var cores = [UInt](repeating: 0, count: 16)
  #expect(get(0, 128, &cores) >= 0)
  let word = try #require(cores.firstIndex { $0 != 0 })
  var first = [UInt](repeating: 0, count: 16)
  first[word] = 1 << cores[word].trailingZeroBitCount
  #expect(set(0, 128, &first) == 0)
}
