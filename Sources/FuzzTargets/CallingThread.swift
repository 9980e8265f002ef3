internal import Synchronization

/// Runs async code that never waits for anything outside to its end on the thread that asks: a fuzzer's runs are
/// repeatable, and a hop to another thread would cost more than what is tested.
final class CallingThread: TaskExecutor {
  private let jobs = Mutex<[UnownedJob]>([])

  static func run<Value: Sendable>(_ body: @escaping @Sendable () async -> Value) -> Value {
    let thread = CallingThread()
    let result = Mutex<Value?>(nil)
    Task(executorPreference: thread) {
      let value = await body()
      result.withLock { $0 = value }
    }
    thread.drain()
    guard let value = result.withLock({ $0 }) else { preconditionFailure("the code waits for something outside") }
    return value
  }

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    jobs.withLock { $0.append(job) }
  }

  private func drain() {
    while let job = jobs.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) {
      job.runSynchronously(on: asUnownedTaskExecutor())
    }
  }
}
