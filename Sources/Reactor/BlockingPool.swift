internal import Glibc
internal import Synchronization

/// Threads for calls that block (a cold disk, password hashing), so that loops never do. The queue is bounded.
public final class BlockingPool: Sendable {
  private struct Queue {
    var items: [Item] = []
    var isStopping = false
  }

  /// One piece of work; `run` is told whether to do it or only to end the wait.
  private final class Item: Sendable {
    let run: @Sendable (_ isCancelled: Bool) -> Void

    init(_ run: @escaping @Sendable (Bool) -> Void) { self.run = run }
  }

  public let name: String
  private let queueLimit: Int
  private let queue = Mutex(Queue())
  private let available = Semaphore()
  private let threads: Mutex<[Thread]>

  /// - Parameters:
  ///   - name: for errors: what is overloaded.
  ///   - threads: at least 1; started now.
  ///   - queueLimit: how many may wait for a thread; one more is refused.
  public init(name: String, threads count: Int, queueLimit: Int) {
    self.name = name
    self.queueLimit = max(1, queueLimit)
    threads = Mutex([])
    for _ in 0..<max(1, count) {
      do {
        let thread = try Thread { self.work() }
        threads.withLock { $0.append(thread) }
      } catch {
        preconditionFailure("no thread for the pool \(name): \(error)")
      }
    }
  }

  /// Runs `work` on a thread of the pool and returns what it returns. Throws what it throws;
  /// `ReactorError.overloaded` when
  /// the queue is full; `.cancelled` when the task is cancelled before a thread took the work. Work that has begun is
  /// waited
  /// for: what it uses stays the caller's.
  public func run<R: Sendable>(_ work: @escaping @Sendable () throws -> R) async throws -> R {
    let cancellation = Cancellation()
    return try await withTaskCancellationHandler {
      try await withUnsafeThrowingContinuation { (continuation: UnsafeContinuation<R, any Error>) in
        let item = Item { isCancelled in
          if isCancelled { return continuation.resume(throwing: ReactorError.cancelled) }
          continuation.resume(with: Result { try work() })
        }
        if let refusal = submit(item) { return continuation.resume(throwing: refusal) }
        if cancellation.begin(item) { cancel(item) }
      }
    } onCancel: {
      if let item = cancellation.cancel() { cancel(item) }
    }
  }

  /// Ends the threads once the queue is empty and waits for them. Not from a thread of the pool.
  public func shutdown() {
    let running = threads.withLock { threads in
      defer { threads = [] }
      return threads
    }
    queue.withLock { $0.isStopping = true }
    for _ in running { available.raise() }
    for thread in running { thread.join() }
  }

  private func submit(_ item: Item) -> ReactorError? {
    let refusal: ReactorError? = queue.withLock { queue in
      if queue.isStopping { return .cancelled }
      if queue.items.count >= queueLimit { return .overloaded("the queue of \(name) is full") }
      queue.items.append(item)
      return nil
    }
    if refusal == nil { available.raise() }
    return refusal
  }

  private func cancel(_ item: Item) {
    let wasWaiting = queue.withLock { queue in
      guard let index = queue.items.firstIndex(where: { $0 === item }) else { return false }
      queue.items.remove(at: index)
      return true
    }
    if wasWaiting { item.run(true) }
  }

  private func work() {
    while true {
      available.wait()
      let (item, isStopping): (Item?, Bool) = queue.withLock { queue in
        (queue.items.isEmpty ? nil : queue.items.removeFirst(), queue.isStopping)
      }
      if let item { item.run(false) } else if isStopping { return }
    }
  }

  /// Brings together an item and a cancellation that may come first.
  private final class Cancellation: Sendable {
    private let state = Mutex<(item: Item?, isCancelled: Bool)>((nil, false))

    /// Whether the cancellation came before the item.
    func begin(_ item: Item) -> Bool {
      state.withLock { state in
        state.item = item
        return state.isCancelled
      }
    }

    func cancel() -> Item? {
      state.withLock { state in
        state.isCancelled = true
        return state.item
      }
    }
  }
}

/// A counting semaphore of the operating system.
private final class Semaphore: @unchecked Sendable {  // sem_t is made for use by several threads
  private let handle = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

  init() {
    let status = sem_init(handle, 0, 0)
    precondition(status == 0, "sem_init cannot fail for a private semaphore that starts at 0")
  }

  deinit {
    sem_destroy(handle)
    handle.deallocate()
  }

  func raise() { sem_post(handle) }

  func wait() {
    while sem_wait(handle) != 0 {}  // only EINTR can happen
  }
}
