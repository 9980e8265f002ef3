internal import CLinux
internal import Glibc

/// One wait of one task: for a descriptor, or only for the deadline when `fd` is negative.
final class DescriptorWaiter: TimerTarget, @unchecked Sendable {  // `state` is touched on the loop's thread only
  private enum State {
    case fresh
    case waiting(UnsafeContinuation<ReactorError?, Never>, TimerHandle)
    case done
    /// Cancelled before it began.
    case cancelled
  }

  let fd: CInt
  let interest: Interest
  private let loop: EventLoop
  private var state = State.fresh

  init(fd: CInt, interest: Interest, loop: EventLoop) {
    self.fd = fd
    self.interest = interest
    self.loop = loop
  }

  func wait(until deadline: Deadline) async throws(ReactorError) {
    let failure = await withTaskCancellationHandler {
      await withUnsafeContinuation { continuation in
        loop.perform { _ in self.begin(continuation, deadline) }
      }
    } onCancel: {
      loop.perform { _ in self.cancel() }
    }
    if let failure { throw failure }
  }

  private func begin(_ continuation: UnsafeContinuation<ReactorError?, Never>, _ deadline: Deadline) {
    guard case .fresh = state else { return continuation.resume(returning: .cancelled) }
    state = .waiting(continuation, loop.timers.add(self, due: deadline))
    guard fd >= 0 else { return }
    let waits = loop.descriptorWaits[fd] ?? DescriptorWaits(fd: fd)
    loop.descriptorWaits[fd] = waits
    let errno = waits.add(self, on: loop)
    if errno != 0 { finish(.system(call: "epoll_ctl", errno: errno)) }
  }

  private func cancel() {
    if case .fresh = state { state = .cancelled } else { finish(.cancelled) }
  }

  func timerFired(now: Deadline) -> Deadline? {
    finish(.timedOut(fd >= 0 ? "descriptor \(fd) was not ready" : "sleep"))
    return nil
  }

  /// Ends the wait; a second end changes nothing.
  func finish(_ failure: ReactorError?) {
    guard case .waiting(let continuation, let timer) = state else { return }
    state = .done
    loop.timers.cancel(timer)
    if fd >= 0 { loop.forget(self) }
    continuation.resume(returning: failure)
  }
}

/// The waits on one descriptor. It leaves epoll with the last of them, so that nothing is told about a descriptor that
/// was closed and whose number came back.
final class DescriptorWaits: Watcher {
  private let fd: CInt
  private var waiters: [DescriptorWaiter] = []
  private var token: UInt64?

  init(fd: CInt) { self.fd = fd }

  var isEmpty: Bool { waiters.isEmpty }

  /// 0, or why epoll refused.
  func add(_ waiter: DescriptorWaiter, on loop: EventLoop) -> CInt {
    waiters.append(waiter)
    return update(on: loop)
  }

  func remove(_ waiter: DescriptorWaiter, on loop: EventLoop) {
    waiters.removeAll { $0 === waiter }
    _ = update(on: loop)
  }

  func ready(_ bits: UInt32, on loop: EventLoop) {
    let broken = bits & (EPOLLERR.rawValue | EPOLLHUP.rawValue) != 0
    let readable = broken || bits & (EPOLLIN.rawValue | EPOLLRDHUP.rawValue) != 0
    let writable = broken || bits & EPOLLOUT.rawValue != 0
    for waiter in waiters
    where (readable && waiter.interest.contains(.read)) || (writable && waiter.interest.contains(.write)) {
      waiter.finish(nil)
    }
  }

  private func update(on loop: EventLoop) -> CInt {
    let wanted = waiters.reduce(Interest()) { $0.union($1.interest) }
    guard !waiters.isEmpty else {
      if let token {
        // Fails when the owner has closed the descriptor already: then the kernel has removed it.
        _ = clinux_epoll_control(loop.epoll, EPOLL_CTL_DEL, fd, 0, 0)
        loop.watchers.remove(token)
      }
      token = nil
      return 0
    }
    var bits: UInt32 = 0
    if wanted.contains(.read) { bits |= EPOLLIN.rawValue | EPOLLRDHUP.rawValue }
    if wanted.contains(.write) { bits |= EPOLLOUT.rawValue }
    if let token, clinux_epoll_control(loop.epoll, EPOLL_CTL_MOD, fd, bits, token) == 0 { return 0 }
    let fresh = token ?? loop.watchers.add(self)
    token = fresh
    return clinux_epoll_control(loop.epoll, EPOLL_CTL_ADD, fd, bits, fresh) == 0 ? 0 : clinux_errno()
  }
}

extension EventLoop {
  /// Takes a finished wait out of the table.
  func forget(_ waiter: DescriptorWaiter) {
    guard let waits = descriptorWaits[waiter.fd] else { return }
    waits.remove(waiter, on: self)
    if waits.isEmpty { descriptorWaits[waiter.fd] = nil }
  }
}
