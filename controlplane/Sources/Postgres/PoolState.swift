/// The pool's decisions, without I/O: events in, actions out. The pool runs it under its lock and acts outside.
struct PoolState<Connection: AnyObject & Sendable>: Sendable {
  /// What a waiter gets: a connection, or the right to open one.
  enum Grant: Sendable {
    case connection(Connection)
    case open
  }

  enum Request {
    case granted(Grant)
    case wait
    case refused
    case closed
  }

  private(set) var idle: [Connection] = []
  /// Connections lent, idle, being opened or being cancelled.
  private(set) var total = 0
  private(set) var waiters: [Int] = []
  private(set) var isClosed = false
  let connectionsMax: Int
  let waitersMax: Int

  init(connectionsMax: Int, waitersMax: Int) {
    self.connectionsMax = connectionsMax
    self.waitersMax = waitersMax
  }

  /// Somebody wants a connection. The most recently used one goes first, so that surplus ones grow old and go.
  mutating func request() -> Request {
    if isClosed { return .closed }
    // Those who wait already come first.
    if waiters.isEmpty {
      if let connection = idle.popLast() { return .granted(.connection(connection)) }
      if total < connectionsMax {
        total += 1
        return .granted(.open)
      }
    }
    return waiters.count < waitersMax ? .wait : .refused
  }

  /// After `.wait`: either the wait is entered, or something came free in between.
  mutating func enqueue(_ waiter: Int) -> Request {
    let answer = request()
    if case .wait = answer { waiters.append(waiter) }
    return answer
  }

  /// A waiter gave up. False: it was served already.
  mutating func abandon(_ waiter: Int) -> Bool {
    guard let place = waiters.firstIndex(of: waiter) else { return false }
    waiters.remove(at: place)
    return true
  }

  /// A healthy connection comes back. The answer names who gets it; nil: it is idle now, or was dropped when closed.
  mutating func giveBack(_ connection: Connection) -> (waiter: Int, grant: Grant)? {
    if isClosed {
      total -= 1
      return nil
    }
    guard !waiters.isEmpty else {
      idle.append(connection)
      return nil
    }
    return (waiters.removeFirst(), .connection(connection))
  }

  /// A connection ended (broken, or opening failed): its place goes to the next waiter, who opens one.
  mutating func lost() -> (waiter: Int, grant: Grant)? {
    guard !isClosed, !waiters.isEmpty else {
      total -= 1
      return nil
    }
    return (waiters.removeFirst(), .open)
  }

  /// No more lending. Returns who waits and what is idle, to be closed.
  mutating func close() -> (waiters: [Int], idle: [Connection]) {
    isClosed = true
    defer {
      total -= idle.count
      waiters = []
      idle = []
    }
    return (waiters, idle)
  }
}
