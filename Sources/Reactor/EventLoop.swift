internal import CLinux
internal import Glibc
internal import Synchronization

/// One thread that waits on epoll and runs the tasks that prefer it. A task given to a loop (`executorPreference`)
/// stays on its thread, and so do its child tasks.
///
/// Sockets are watched through `Channel` (registered once, edge-triggered); descriptors of other libraries through
/// `IO.wait` (one-shot). Everything a loop owns is touched on its thread only; other threads hand over through
/// `remote`.
public final class EventLoop: TaskExecutor, @unchecked Sendable {  // confined to its thread; `remote` is locked
  /// What other threads hand over.
  private struct Remote {
    var jobs: [UnownedJob] = []
    var actions: [@Sendable (EventLoop) -> Void] = []
    var isStopping = false

    var isEmpty: Bool { jobs.isEmpty && actions.isEmpty && !isStopping }
  }

  /// A small number, unique in its group: picks per-loop state.
  public let index: Int
  /// Bytes of `scratch`.
  public static let scratchCount = 262_144

  let epoll: CInt
  private let wakeup: CInt
  private let remote = Mutex(Remote())
  private var local: [UnownedJob] = []
  /// Those before it have been run.
  private var nextJob = 0
  /// So many jobs run before sockets are looked at again: what can be answered at once must not wait for a crowd of
  /// tasks that all have a little to do.
  private static let jobsInARow = 16
  /// And no other one is begun when those took so many nanoseconds.
  private static let jobsInARowMax: Int64 = 50_000
  /// A loop that was awake for so many nanoseconds offers its core to whoever else wants it. Where there are fewer
  /// cores than threads with work (other loops, whoever syncs the disk, other programs), these would get it at the
  /// scheduler's next tick only, up to 4 ms later: the loop seldom sleeps when a crowd keeps it busy.
  private static let awakeMax: Int64 = 100_000
  /// A wait for events that took longer was a sleep.
  private static let sleepMin: Int64 = 20_000
  private var actions: [@Sendable (EventLoop) -> Void] = []
  private var isStopping = false
  /// Who waits to do something that takes long, the first at `longestWaiting`.
  private var waitingForTurn: [UnsafeContinuation<Void, Never>] = []
  private var longestWaiting = 0
  private var isTurnTaken = false
  /// Who was given a turn has not gone on yet: there is a row of jobs before it.
  private var isTurnPending = false
  private var scratchMemory: UnsafeMutableRawBufferPointer?
  var watchers = WatcherTable()
  var timers = Timers()
  var descriptorWaits: [CInt: DescriptorWaits] = [:]
  var sendBuffers = SendBufferPool()

  /// The time this turn of the loop began. Only on the loop's own thread.
  public private(set) var now: Deadline

  /// The loop whose thread this is; nil elsewhere.
  public static var current: EventLoop? {
    clinux_current_loop().map { Unmanaged<EventLoop>.fromOpaque($0).takeUnretainedValue() }
  }

  /// Memory for whoever runs on the loop between two awaits: its content is anyone's after the next await. Only on the
  /// loop's own thread.
  public var scratch: UnsafeMutableRawBufferPointer {
    assert(isCurrent, "scratch belongs to the loop's thread")
    if let scratchMemory { return scratchMemory }
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.scratchCount, alignment: 4096)
    scratchMemory = memory
    return memory
  }

  init(index: Int) throws(ReactorError) {
    self.index = index
    now = Deadline(nanoseconds: clinux_monotonic_nanoseconds())
    epoll = clinux_epoll_create()
    guard epoll >= 0 else { throw .system(call: "epoll_create1", errno: clinux_errno()) }
    wakeup = clinux_eventfd_create()
    guard wakeup >= 0 else {
      let reason = clinux_errno()
      close(epoll)
      throw .system(call: "eventfd", errno: reason)
    }
    guard clinux_epoll_control(epoll, EPOLL_CTL_ADD, wakeup, EPOLLIN.rawValue, WatcherTable.wakeupToken) == 0 else {
      let reason = clinux_errno()
      close(epoll)
      close(wakeup)
      throw .system(call: "epoll_ctl", errno: reason)
    }
  }

  deinit {
    close(epoll)
    close(wakeup)
    scratchMemory?.deallocate()
  }

  @inline(__always)
  var isCurrent: Bool { clinux_current_loop() == Unmanaged.passUnretained(self).toOpaque() }

  public func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    if isCurrent {
      local.append(job)
    } else {
      hand { $0.jobs.append(job) }
    }
  }

  /// Runs `action` on the loop's thread: at once when called there, else at its next turn.
  func perform(_ action: @escaping @Sendable (EventLoop) -> Void) {
    if isCurrent { action(self) } else { hand { $0.actions.append(action) } }
  }

  /// Before a piece of work that keeps the loop for some tenths of a millisecond, such as a handshake's signatures:
  /// one task a turn of the loop goes on, the others wait in line, and in between everybody else gets served. On the
  /// loop's thread.
  public func takeTurn() async {
    guard isTurnTaken || longestWaiting < waitingForTurn.count else {
      isTurnTaken = true
      return
    }
    await withUnsafeContinuation { waitingForTurn.append($0) }
    isTurnPending = false
  }

  private func giveTurn() {
    if isTurnPending { return }
    isTurnTaken = longestWaiting < waitingForTurn.count
    guard isTurnTaken else { return }
    isTurnPending = true
    waitingForTurn[longestWaiting].resume()
    longestWaiting += 1
    // Room is given back when most of it is behind us: each place is moved once at most.
    if longestWaiting * 2 > waitingForTurn.count {
      waitingForTurn.removeFirst(longestWaiting)
      longestWaiting = 0
    }
  }

  func stop() { hand { $0.isStopping = true } }

  private func hand(_ change: (inout sending Remote) -> Void) {
    let wasEmpty = remote.withLock { remote in
      let wasEmpty = remote.isEmpty
      change(&remote)
      return wasEmpty
    }
    if wasEmpty { clinux_eventfd_raise(wakeup) }
  }

  /// The thread's whole life.
  func run() {
    clinux_set_current_loop(Unmanaged.passUnretained(self).toOpaque())
    clinux_name_thread("loop-\(index)")
    let events = UnsafeMutablePointer<epoll_event>.allocate(capacity: 512)
    defer { events.deallocate() }
    var awakeSince = now.nanoseconds
    while !isStopping {
      runJobs()
      let before = clinux_monotonic_nanoseconds()
      let isLong = before - awakeSince > Self.awakeMax
      if isLong { sched_yield() }
      let count = epoll_wait(epoll, events, 512, waitMilliseconds())
      now = Deadline(nanoseconds: clinux_monotonic_nanoseconds())
      if isLong || now.nanoseconds - before > Self.sleepMin { awakeSince = now.nanoseconds }
      for index in 0..<max(0, Int(count)) {
        let token = clinux_event_token(events + index)
        if token == WatcherTable.wakeupToken {
          takeRemote()
        } else {
          watchers[token]?.ready(clinux_event_bits(events + index), on: self)
        }
      }
      fireTimers()
      giveTurn()
    }
    clinux_set_current_loop(nil)
  }

  /// Some of the jobs that are there; what they enqueue waits until sockets have been looked at: nobody starves.
  private func runJobs() {
    let executor = asUnownedTaskExecutor()
    let end = min(local.count, nextJob + Self.jobsInARow)
    guard nextJob < end else { return }
    let late = clinux_monotonic_nanoseconds() + Self.jobsInARowMax
    repeat {
      let job = local[nextJob]
      nextJob += 1
      job.runSynchronously(on: executor)
    } while nextJob < end && clinux_monotonic_nanoseconds() < late
    if nextJob == local.count {
      local.removeAll(keepingCapacity: true)
      nextJob = 0
    } else if nextJob * 2 > local.count {
      // Each place is moved once at most.
      local.removeFirst(nextJob)
      nextJob = 0
    }
  }

  private func waitMilliseconds() -> CInt {
    // Whoever waits for a turn gets it after this one: nothing else may come that would end it.
    if nextJob < local.count || longestWaiting < waitingForTurn.count { return 0 }
    guard let due = timers.earliest, due != .never else { return -1 }
    // From the turn's beginning: the clock is not asked again for what its jobs took.
    let left = due.nanoseconds - now.nanoseconds
    return left <= 0 ? 0 : CInt(min((left + 999_999) / 1_000_000, 3_600_000))
  }

  private func takeRemote() {
    clinux_eventfd_clear(wakeup)
    let taken = remote.withLock { remote in
      let taken = remote
      remote = Remote()
      return taken
    }
    local.append(contentsOf: taken.jobs)
    if taken.isStopping { isStopping = true }
    for action in taken.actions { action(self) }
  }

  private func fireTimers() {
    while let handle = timers.takeDue(now: now) {
      if let again = handle.target?.timerFired(now: now), handle.target != nil {
        // A target that wants the past again gets the next turn, not this one: the loop must get on.
        timers.put(handle, due: max(again, now + .milliseconds(1)))
      }
    }
  }
}
