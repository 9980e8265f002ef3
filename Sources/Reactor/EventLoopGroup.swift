internal import Synchronization

/// The loops of a process, usually one a core. Threads start in `init` and end in `shutdown`.
public final class EventLoopGroup: Sendable {
  public let loops: [EventLoop]
  private let threads: Mutex<[Thread]>
  private let turn = Atomic<Int>(0)

  /// - Parameter loops: how many, at least 1.
  public init(loops count: Int) throws(ReactorError) {
    var loops: [EventLoop] = []
    for index in 0..<max(1, count) { loops.append(try EventLoop(index: index)) }
    self.loops = loops
    threads = Mutex([])
    for loop in loops {
      do {
        let thread = try Thread { loop.run() }
        threads.withLock { $0.append(thread) }
      } catch {
        shutdown()
        throw error
      }
    }
  }

  /// The loops in turn: for spreading work that belongs to none.
  public func next() -> EventLoop {
    loops[Int(UInt(bitPattern: turn.wrappingAdd(1, ordering: .relaxed).oldValue) % UInt(loops.count))]
  }

  /// Stops the threads and waits for them. Only when no task needs a loop any more (such a task would never run again),
  /// and never from a loop's own thread. A second call does nothing.
  public func shutdown() {
    precondition(!loops.contains { $0.isCurrent }, "a loop cannot wait for itself")
    let running = threads.withLock { threads in
      defer { threads = [] }
      return threads
    }
    for loop in loops { loop.stop() }
    for thread in running { thread.join() }
  }
}
