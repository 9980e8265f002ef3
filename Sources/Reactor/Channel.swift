internal import CLinux
internal import Glibc

/// A connected or listening socket, registered with its loop once and edge-triggered. Owned by tasks of that loop and
/// used on its thread only; at most one task waits to read and one to write. The owner must `close` it.
public final class Channel: Watcher, TimerTarget, @unchecked Sendable {  // confined to its loop's thread
  private struct Side {
    /// The kernel may have something for us; cleared by a wait.
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
      resume(Self.read, nil)
    }
    if broken || bits & EPOLLOUT.rawValue != 0 {
      sides[Self.write].isReady = true
      resume(Self.write, nil)
    }
  }

  func timerFired(now: Deadline) -> Deadline? {
    // One timer serves every wait: it is moved only when it fires, so a wait that ends in time costs nothing.
    var next = Deadline.never
    for side in 0..<2 where sides[side].continuation != nil {
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

  private func wait(_ side: Int, until deadline: Deadline, _ what: StaticString) async throws(ReactorError) {
    if isClosed || Task.isCancelled { throw .cancelled }
    if sides[side].isReady {
      sides[side].isReady = false
      return
    }
    guard sides[side].continuation == nil else { throw .overloaded("two tasks wait on one side of a connection") }
    if deadline <= loop.now { throw .timedOut(what.description) }
    sides[side].number &+= 1
    let number = sides[side].number
    let failure = await withTaskCancellationHandler {
      await withUnsafeContinuation { continuation in
        // A cancellation before this point found nobody to resume.
        if Task.isCancelled { return continuation.resume(returning: ReactorError?.some(.cancelled)) }
        sides[side].continuation = continuation
        sides[side].deadline = deadline
        sides[side].what = what
        schedule(deadline)
      }
    } onCancel: {
      loop.perform { _ in
        if self.sides[side].number == number { self.resume(side, .cancelled) }
      }
    }
    if let failure { throw failure }
    sides[side].isReady = false
  }

  private func schedule(_ deadline: Deadline) {
    guard deadline < timerDue else { return }
    if let timer { loop.timers.cancel(timer) }
    timer = loop.timers.add(self, due: deadline)
    timerDue = deadline
  }

  private func resume(_ side: Int, _ failure: ReactorError?) {
    guard let continuation = sides[side].continuation else { return }
    sides[side].continuation = nil
    continuation.resume(returning: failure)
  }
}
