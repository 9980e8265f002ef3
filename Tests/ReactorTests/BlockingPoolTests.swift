import Glibc
import Reactor
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(1)))
struct BlockingPoolTests {
  struct Broken: Error, Equatable {}

  /// Keeps threads busy until told otherwise.
  final class Gate: Sendable {
    private let isOpen = Atomic<Bool>(false)
    var hasOpened: Bool { isOpen.load(ordering: .acquiring) }
    func open() { isOpen.store(true, ordering: .releasing) }
    func wait() { while !isOpen.load(ordering: .acquiring) { usleep(500) } }
  }

  @Test func returnsAndThrows() async throws {
    let pool = BlockingPool(name: "test", threads: 2, queueLimit: 10)
    #expect(try await pool.run { 40 + 2 } == 42)
    await #expect(throws: Broken()) { try await pool.run { throw Broken() } }
    pool.shutdown()
    await #expect(throws: ReactorError.cancelled) { try await pool.run { 1 } }
  }

  @Test func comesBackToTheCallersLoop() async throws {
    let pool = BlockingPool(name: "test", threads: 2, queueLimit: 10)
    let isBack = try await onLoop { loop in
      let elsewhere = try await pool.run { EventLoop.current == nil }
      return elsewhere && EventLoop.current === loop
    }
    #expect(isBack)
    pool.shutdown()
  }

  @Test func refusesWhatTheQueueDoesNotHold() async throws {
    let pool = BlockingPool(name: "test", threads: 1, queueLimit: 2)
    let gate = Gate()
    let outcomes = await withTaskGroup(of: Bool.self) { group in
      group.addTask { (try? await pool.run { gate.wait() }) != nil }
      try? await IO.sleep(.milliseconds(20))
      for _ in 0..<5 { group.addTask { (try? await pool.run {}) != nil } }
      try? await IO.sleep(.milliseconds(20))
      gate.open()
      var outcomes: [Bool] = []
      for await outcome in group { outcomes.append(outcome) }
      return outcomes
    }
    #expect(outcomes.count { $0 } == 3)
    pool.shutdown()
  }

  @Test func cancellationReachesOnlyWhatWaits() async throws {
    let pool = BlockingPool(name: "test", threads: 1, queueLimit: 10)
    let gate = Gate()
    let ran = Gate()
    await withTaskGroup(of: Void.self) { group in
      group.addTask {
        // It has begun: it is waited for and its result comes back.
        #expect((try? await pool.run { gate.wait() }) != nil)
      }
      try? await IO.sleep(.milliseconds(20))
      group.addTask {
        await #expect(throws: ReactorError.cancelled) {
          try await pool.run { ran.open() }
        }
      }
      try? await IO.sleep(.milliseconds(20))
      group.cancelAll()
      try? await IO.sleep(.milliseconds(20))
      gate.open()
    }
    #expect(!ran.hasOpened)
    pool.shutdown()
  }

  @Test func manyFromManyLoops() async throws {
    let group = try EventLoopGroup(loops: 3)
    let pool = BlockingPool(name: "test", threads: 4, queueLimit: 10_000)
    let sum = try await withThrowingTaskGroup(of: Int.self) { tasks in
      for number in 0..<2000 {
        tasks.addTask(executorPreference: group.next()) { try await pool.run { number } }
      }
      return try await tasks.reduce(0, +)
    }
    #expect(sum == 1999 * 1000)
    pool.shutdown()
    group.shutdown()
  }
}
