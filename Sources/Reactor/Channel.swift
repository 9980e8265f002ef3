internal import CLinux
internal import Glibc

/// Looks at a socket that became readable before the task that waits for it is woken.
public protocol ChannelReader: AnyObject {
  /// Called on the loop's thread. The deadline until which the task goes on waiting, after everything there was to read
  /// has been read and dealt with; nil to wake it.
  func readyToRead() -> Deadline?

  /// A wait without a task (`park`) is over, on the loop's thread: `readyToRead` said nil or the peer ended (nil), its
  /// deadline passed, or the channel was closed (`.cancelled`).
  func parkEnded(_ failure: ReactorError?)
}

/// A connected or listening socket, registered with its loop once and edge-triggered. Owned by tasks of that loop and
/// used on its thread only; at most one task waits to read and one to write. The owner must `close` it.
public final class Channel: Watcher, TimerTarget, @unchecked Sendable {  // confined to its loop's thread
  private struct Side {
    /// The kernel may have something for us; cleared when a wait begins or ends, and never later: what comes between a
    /// wait's end and its task's next step must not be forgotten.
    var isReady = true
    var continuation: UnsafeContinuation<ReactorError?, Never>?
    var deadline = Deadline.never
    var what: StaticString = ""
    /// Which wait this is: a late cancellation must not hit the next one.
    var number = 0
  }

  private static let read = 0
  private static let write = 1

  public let descriptor: CInt
  public let loop: EventLoop
  private var token: UInt64 = 0
  private var sides: InlineArray<2, Side> = .init(repeating: Side())
  private var timer: TimerHandle?
  private var timerDue = Deadline.never
  public private(set) var isClosed = false
  private var reader: (any ChannelReader)?
  /// The reader waits without a task.
  private var isParked = false
  /// The peer's end, or an error, was told once and will not be told again.
  private var hasEnd = false

  /// Whether something may have come since the last wait. When a read got less than it asked for and this is false, the
  /// next read would get EAGAIN: wait instead.
  public var mayBeReadable: Bool { sides[Self.read].isReady || hasEnd }

  /// Takes over a non-blocking socket. On failure it is closed.
  public init(descriptor: CInt, loop: EventLoop) throws(ReactorError) {
    precondition(loop.isCurrent, "a channel is made on its loop")
    self.descriptor = descriptor
    self.loop = loop
    token = loop.watchers.add(self)
    let bits = EPOLLIN.rawValue | EPOLLOUT.rawValue | EPOLLRDHUP.rawValue | EPOLLET.rawValue
    guard clinux_epoll_control(loop.epoll, EPOLL_CTL_ADD, descriptor, bits, token) == 0 else {
      let reason = clinux_errno()
      close()
      throw .system(call: "epoll_ctl", errno: reason)
    }
  }

  /// Suspends until there may be something to read. To be called after a read gave EAGAIN; it may return early.
  /// - Parameter what: what is waited for, told when the deadline passes.
  public func readable(until deadline: Deadline, _ what: StaticString) async throws(ReactorError) {
    try await wait(Self.read, until: deadline, what)
  }

  /// The same for a task that has its cancellation close the channel: nothing has to be set up for this one wait.
  /// `reader` is asked first when something came, and may save waking the task.
  public func readableUntilClosed(
    _ deadline: Deadline, _ what: StaticString, reader: (any ChannelReader)? = nil
  ) async throws(ReactorError) {
    guard try begin(Self.read, until: deadline, what) else { return }
    self.reader = reader
    defer { self.reader = nil }
    let failure = await withUnsafeContinuation { continuation in
      suspend(Self.read, until: deadline, what, continuation)
    }
    if let failure { throw failure }
  }

  /// Waits without a task, which costs memory as long as it lives: `reader` is asked whenever something came, and told
  /// when the wait is over. Nobody waits to read meanwhile. False, and nothing begins, when there may be something to
  /// read now.
  public func park(until deadline: Deadline, _ what: StaticString, reader: any ChannelReader) -> Bool {
    precondition(!isClosed && sides[Self.read].continuation == nil, "somebody waits to read, or nobody ever will")
    if mayBeReadable { return false }
    self.reader = reader
    isParked = true
    sides[Self.read].deadline = deadline
    sides[Self.read].what = what
    schedule(deadline)
    return true
  }

  /// Ends a wait to read early, if there is one.
  public func nudge() { resume(Self.read, nil) }

  /// Suspends until there may be room to write. To be called after a write gave EAGAIN; it may return early.
  public func writable(until deadline: Deadline, _ what: StaticString) async throws(ReactorError) {
    try await wait(Self.write, until: deadline, what)
  }

  /// Ends every wait, now and later, with `.cancelled`, and closes the descriptor. On the loop's thread.
  public func close() {
    guard !isClosed else { return }
    isClosed = true
    // Removes it from epoll as well: nobody has a duplicate.
    Glibc.close(descriptor)
    loop.watchers.remove(token)
    if let timer { loop.timers.cancel(timer) }
    timer = nil
    resume(Self.read, .cancelled)
    resume(Self.write, .cancelled)
  }

  /// Closes and forgets what the peer has not taken: the kernel would keep it for a peer that reads slowly for as long
  /// as that likes. The peer sees a reset.
  public func abort() {
    guard !isClosed else { return }
    var atOnce = linger(l_onoff: 1, l_linger: 0)
    // Where it fails, the close is an ordinary one.
    _ = setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &atOnce, socklen_t(MemoryLayout<linger>.size))
    close()
  }

  /// `close` from any thread, at the loop's next turn.
  public func cancel() { loop.perform { _ in self.close() } }

  func ready(_ bits: UInt32, on loop: EventLoop) {
    let broken = bits & (EPOLLERR.rawValue | EPOLLHUP.rawValue) != 0
    if broken || bits & EPOLLRDHUP.rawValue != 0 { hasEnd = true }
    if broken || bits & (EPOLLIN.rawValue | EPOLLRDHUP.rawValue) != 0 {
      sides[Self.read].isReady = true
      if hasEnd || !isDealtWith() { resume(Self.read, nil) }
    }
    if broken || bits & EPOLLOUT.rawValue != 0 {
      sides[Self.write].isReady = true
      resume(Self.write, nil)
    }
  }

  /// Whether the waiting task need not be woken.
  private func isDealtWith() -> Bool {
    guard let reader, isParked || sides[Self.read].continuation != nil else { return false }
    sides[Self.read].isReady = false
    guard let deadline = reader.readyToRead() else { return false }
    sides[Self.read].deadline = deadline
    // The timer that runs may be due earlier: it looks again then.
    schedule(deadline)
    return true
  }

  func timerFired(now: Deadline) -> Deadline? {
    // One timer serves every wait: it is moved only when it fires, so a wait that ends in time costs nothing.
    var next = Deadline.never
    for side in 0..<2 where sides[side].continuation != nil || (side == Self.read && isParked) {
      if sides[side].deadline <= now {
        resume(side, .timedOut(sides[side].what.description))
      } else {
        next = min(next, sides[side].deadline)
      }
    }
    timerDue = next
    if next == .never { timer = nil }
    return next == .never ? nil : next
  }

  /// Whether there is something to wait for.
  private func begin(_ side: Int, until deadline: Deadline, _ what: StaticString) throws(ReactorError) -> Bool {
    if isClosed { throw .cancelled }
    if sides[side].isReady {
      sides[side].isReady = false
      return false
    }
    guard sides[side].continuation == nil else { throw .overloaded("two tasks wait on one side of a connection") }
    if deadline <= loop.now { throw .timedOut(what.description) }
    sides[side].number &+= 1
    return true
  }

  private func suspend(
    _ side: Int, until deadline: Deadline, _ what: StaticString,
    _ continuation: UnsafeContinuation<ReactorError?, Never>
  ) {
    sides[side].continuation = continuation
    sides[side].deadline = deadline
    sides[side].what = what
    schedule(deadline)
  }

  private func wait(_ side: Int, until deadline: Deadline, _ what: StaticString) async throws(ReactorError) {
    if Task.isCancelled { throw .cancelled }
    guard try begin(side, until: deadline, what) else { return }
    let number = sides[side].number
    let failure = await withTaskCancellationHandler {
      await withUnsafeContinuation { continuation in
        // A cancellation before this point found nobody to resume.
        if Task.isCancelled { return continuation.resume(returning: ReactorError?.some(.cancelled)) }
        suspend(side, until: deadline, what, continuation)
      }
    } onCancel: {
      loop.perform { _ in
        if self.sides[side].number == number { self.resume(side, .cancelled) }
      }
    }
    if let failure { throw failure }
  }

  private func schedule(_ deadline: Deadline) {
    guard deadline < timerDue else { return }
    if let timer { loop.timers.cancel(timer) }
    timer = loop.timers.add(self, due: deadline)
    timerDue = deadline
  }

  private func resume(_ side: Int, _ failure: ReactorError?) {
    if side == Self.read, isParked {
      let reader = reader
      isParked = false
      self.reader = nil
      reader?.parkEnded(failure)
      return
    }
    guard let continuation = sides[side].continuation else { return }
    sides[side].continuation = nil
    if failure == nil { sides[side].isReady = false }
    continuation.resume(returning: failure)
  }
}
