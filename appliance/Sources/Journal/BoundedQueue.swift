internal import Glibc

/// Hands elements from many threads to one, bounded, with waiting on the taking side only: a full queue says so at
/// once. The one place of the engine where threads block on each other.
public final class BoundedQueue<Element: Sendable>: @unchecked Sendable {  // every field is guarded by `mutex`
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let condition: UnsafeMutablePointer<pthread_cond_t>
  private var elements: [Element] = []
  private var isClosed = false
  public let limit: Int

  public init(limit: Int) {
    self.limit = limit
    mutex = .allocate(capacity: 1)
    condition = .allocate(capacity: 1)
    pthread_mutex_init(mutex, nil)
    var attributes = pthread_condattr_t()
    pthread_condattr_init(&attributes)
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
    pthread_cond_init(condition, &attributes)
    pthread_condattr_destroy(&attributes)
  }

  deinit {
    pthread_cond_destroy(condition)
    pthread_mutex_destroy(mutex)
    condition.deallocate()
    mutex.deallocate()
  }

  public enum Refusal: Error { case full, closed }

  /// Adds one. Throws when the queue is full or closed.
  public func put(_ element: Element) throws(Refusal) {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    if isClosed { throw .closed }
    if elements.count >= limit { throw .full }
    elements.append(element)
    // One for one: where several threads take, the others sleep on.
    pthread_cond_signal(condition)
  }

  /// Waits until there is something, `timeout` has passed (then empty), or the queue is closed and empty (then nil).
  /// Takes at most `count`, oldest first.
  public func take(upTo count: Int, timeout: Duration?) -> [Element]? {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    var deadline = timespec()
    if let timeout {
      clock_gettime(CLOCK_MONOTONIC, &deadline)
      let parts = timeout.components
      let nanoseconds = Int64(deadline.tv_nsec) + parts.attoseconds / 1_000_000_000
      deadline.tv_sec += Int(parts.seconds + nanoseconds / 1_000_000_000)
      deadline.tv_nsec = Int(nanoseconds % 1_000_000_000)
    }
    while elements.isEmpty {
      if isClosed { return nil }
      if timeout == nil {
        pthread_cond_wait(condition, mutex)
      } else if pthread_cond_timedwait(condition, mutex, &deadline) == ETIMEDOUT {
        return []
      }
    }
    if elements.count <= count {
      defer { elements = [] }
      return elements
    }
    defer { elements.removeFirst(count) }
    return Array(elements.prefix(count))
  }

  /// Nothing more is accepted; what is there can still be taken.
  public func close() {
    pthread_mutex_lock(mutex)
    isClosed = true
    pthread_cond_broadcast(condition)
    pthread_mutex_unlock(mutex)
  }

  public var count: Int {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return elements.count
  }
}
