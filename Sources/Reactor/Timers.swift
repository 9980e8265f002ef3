/// What a timer calls when it is due.
protocol TimerTarget: AnyObject {
  /// Called on the loop's thread. Returns when to be called again; nil for never.
  func timerFired(now: Deadline) -> Deadline?
}

/// A place in the timer heap. Confined to its loop's thread.
final class TimerHandle {
  fileprivate(set) var due: Deadline
  fileprivate(set) var target: (any TimerTarget)?
  fileprivate var isInHeap = false

  fileprivate init(due: Deadline, target: any TimerTarget) {
    self.due = due
    self.target = target
  }
}

/// A binary heap of timers. Cancelled ones stay until due, or until they are the larger half.
struct Timers {
  private var heap: [TimerHandle] = []
  private var cancelled = 0

  var earliest: Deadline? { heap.first?.due }

  mutating func add(_ target: any TimerTarget, due: Deadline) -> TimerHandle {
    let handle = TimerHandle(due: due, target: target)
    push(handle)
    return handle
  }

  mutating func cancel(_ handle: TimerHandle) {
    guard handle.target != nil else { return }
    handle.target = nil
    guard handle.isInHeap else { return }
    cancelled += 1
    if cancelled > 1024, cancelled > heap.count / 2 { compact() }
  }

  /// One timer that is due, taken out; nil when none is.
  mutating func takeDue(now: Deadline) -> TimerHandle? {
    while let first = heap.first, first.due <= now {
      let handle = pop(first)
      if handle.target != nil { return handle }
      cancelled -= 1
    }
    return nil
  }

  /// Puts a handle that was taken back, to be due later.
  mutating func put(_ handle: TimerHandle, due: Deadline) {
    handle.due = due
    push(handle)
  }

  private mutating func compact() {
    let live = heap.filter { $0.target != nil }
    heap = []
    heap.reserveCapacity(live.count)
    for handle in live { push(handle) }
    cancelled = 0
  }

  private mutating func push(_ handle: TimerHandle) {
    handle.isInHeap = true
    heap.append(handle)
    var child = heap.count - 1
    while child > 0 {
      let parent = (child - 1) / 2
      guard heap[child].due < heap[parent].due else { break }
      heap.swapAt(child, parent)
      child = parent
    }
  }

  private mutating func pop(_ first: TimerHandle) -> TimerHandle {
    heap.swapAt(0, heap.count - 1)
    heap.removeLast()
    first.isInHeap = false
    var parent = 0
    while true {
      var smallest = parent
      for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && heap[child].due < heap[smallest].due {
        smallest = child
      }
      if smallest == parent { return first }
      heap.swapAt(parent, smallest)
      parent = smallest
    }
  }
}
