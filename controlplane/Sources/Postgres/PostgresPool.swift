public import Core
internal import Reactor
public import Service
internal import Synchronization
public import Telemetry

/// A bounded set of connections to one PostgreSQL. Tasks borrow one, wait in a bounded queue when all are lent, and
/// give it back. A connection that died while idle (a restarted server) is replaced when it is next wanted.
public final class PostgresPool: Service {
  public let configuration: PostgresConfiguration
  public var name: String { "postgres" }

  private let time: any TimeSource
  private let logger: Logger
  private let inner: Mutex<Inner>
  private let blocking: BlockingPool
  private let discarded: AsyncStream<PostgresConnection>
  private let discard: AsyncStream<PostgresConnection>.Continuation

  fileprivate struct Inner {
    var state: PoolState<PostgresConnection>
    var continuations: [Int: CheckedContinuation<PoolState<PostgresConnection>.Grant, any Error>] = [:]
    var nextWaiter = 0
    var isRunning = false
  }

  private typealias Grant = PoolState<PostgresConnection>.Grant

  /// Opens nothing yet: the first borrower does, and gets the error if it fails.
  public init(_ configuration: PostgresConfiguration, time: any TimeSource, logger: Logger) {
    self.configuration = configuration
    self.time = time
    self.logger = logger
    inner = Mutex(
      Inner(
        state: PoolState(connectionsMax: configuration.connectionsMax, waitersMax: configuration.waitersMax)))
    blocking = BlockingPool(name: "pg-cancel", threads: 1, queueLimit: configuration.connectionsMax)
    // At most `connectionsMax` connections exist, so none is ever dropped here.
    (discarded, discard) = AsyncStream.makeStream(
      of: PostgresConnection.self, bufferingPolicy: .bufferingOldest(configuration.connectionsMax))
  }

  /// One statement on any connection; see `PostgresConnection.query`.
  @discardableResult
  public func query(_ query: Query, timeout: Duration? = nil) async throws(PostgresError) -> Rows {
    let connection = try await acquire()
    defer { release(connection) }
    return try await connection.query(query, timeout: timeout)
  }

  /// Lends a connection to `body` for as long as it runs.
  public func withConnection<R>(_ body: (PostgresConnection) async throws -> R) async throws -> R {
    let connection = try await acquire()
    defer { release(connection) }
    return try await body(connection)
  }

  /// Runs `body` in a transaction of its own; see `PostgresConnection.transaction`. Not repeated by itself.
  public func transaction<R>(_ body: (PostgresConnection) async throws -> R) async throws -> R {
    try await withConnection { connection in try await connection.transaction(body) }
  }

  /// Whether PostgreSQL answers, for readiness. Deadline 2 s.
  public func ping() async throws(PostgresError) {
    try await query("SELECT 1", timeout: .seconds(2))
  }

  /// Figures for metrics: connections open or being opened, those idle, tasks waiting.
  public var usage: (total: Int, idle: Int, waiting: Int) {
    inner.withLock { ($0.state.total, $0.state.idle.count, $0.state.waiters.count) }
  }

  /// Cancels the statements of given-up connections at the server, until shutdown; then closes every idle connection
  /// and refuses waiters with `.closed`.
  public func run() async throws {
    inner.withLock { $0.isRunning = true }
    await withTaskGroup(of: Void.self) { group in
      group.addTask {
        for await connection in self.discarded { await self.reap(connection) }
      }
      await Shutdown.requested()
      self.close()
      await group.waitForAll()
    }
  }

  /// Refuses everybody from now on. Lent connections close when they come back.
  public func close() {
    let (waiting, idle) = inner.withLock { inner in
      inner.isRunning = false
      let (waiters, idle) = inner.state.close()
      return (waiters.compactMap { inner.continuations.removeValue(forKey: $0) }, idle)
    }
    for continuation in waiting {
      continuation.resume(throwing: PostgresError(.closed, "the connection pool is shut down"))
    }
    discard.finish()
    // Closing says farewell to the server, one small packet each; `idle` is released here.
    _ = idle.count
  }

  private func reap(_ connection: PostgresConnection) async {
    do {
      try await blocking.run { connection.cancelBlocking() }
    } catch {
      logger.warning("postgres.cancel.failed", ["error": .string(String(describing: error))])
    }
    resume(inner.withLock { $0.take($0.state.lost()) })
  }
}

// MARK: borrowing

extension PostgresPool {
  private func acquire() async throws(PostgresError) -> PostgresConnection {
    while true {
      switch try await grant() {
      case .open: return try await open()
      case .connection(let connection):
        if connection.isAliveWhileIdle() { return connection }
        // The server went away while it was idle. Its place stays ours: open another.
        return try await open()
      }
    }
  }

  private func open() async throws(PostgresError) -> PostgresConnection {
    do throws(PostgresError) {
      return try await PostgresConnection.connect(configuration, time: time)
    } catch {
      resume(inner.withLock { $0.take($0.state.lost()) })
      throw error
    }
  }

  private func grant() async throws(PostgresError) -> Grant {
    let (answer, waiter) = inner.withLock { inner in
      inner.nextWaiter += 1
      return (inner.state.request(), inner.nextWaiter)
    }
    switch answer {
    case .granted(let grant): return grant
    case .closed: throw PostgresError(.closed, "the connection pool is shut down")
    case .refused: throw PostgresError(.overloaded, "\(configuration.waitersMax) tasks wait for a connection already")
    case .wait: return try await wait(as: waiter)
    }
  }

  /// Waits for a grant. One that arrives together with the deadline is used, not lost: hence the mailbox.
  private func wait(as waiter: Int) async throws(PostgresError) -> Grant {
    let mailbox = Mailbox()
    do {
      try await withTimeout(configuration.acquireTimeout, "a database connection") {
        let grant = try await self.suspend(waiter)
        mailbox.grant.withLock { $0 = grant }
      }
    } catch {
      if let late = mailbox.grant.withLock({ $0 }) { return late }
      if let error = error as? PostgresError { throw error }
      if Task.isCancelled { throw PostgresError(.cancelled, "waiting for a connection: the task was cancelled") }
      throw PostgresError(.overloaded, "no connection came free within \(configuration.acquireTimeout)")
    }
    guard let grant = mailbox.grant.withLock({ $0 }) else {
      preconditionFailure("the wait ended without an error and without a grant")
    }
    return grant
  }

  private final class Mailbox: Sendable {
    let grant = Mutex<Grant?>(nil)
  }

  private func suspend(_ waiter: Int) async throws -> Grant {
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        enter(waiter, continuation)
      }
    } onCancel: {
      let continuation = inner.withLock { inner in
        inner.state.abandon(waiter) ? inner.continuations.removeValue(forKey: waiter) : nil
      }
      continuation?.resume(throwing: PostgresError(.cancelled, "waiting for a connection was cancelled"))
    }
  }

  private func enter(_ waiter: Int, _ continuation: CheckedContinuation<Grant, any Error>) {
    // A task cancelled before it could be found by the handler must not be left waiting.
    if Task.isCancelled {
      return continuation.resume(throwing: PostgresError(.cancelled, "waiting for a connection was cancelled"))
    }
    let answer = inner.withLock { inner in
      let answer = inner.state.enqueue(waiter)
      if case .wait = answer { inner.continuations[waiter] = continuation }
      return answer
    }
    switch answer {
    case .wait: break
    case .granted(let grant): continuation.resume(returning: grant)
    case .closed: continuation.resume(throwing: PostgresError(.closed, "the connection pool is shut down"))
    case .refused: continuation.resume(throwing: PostgresError(.overloaded, "too many tasks wait for a connection"))
    }
  }

  private func release(_ connection: PostgresConnection) {
    let isHealthy = connection.isAliveWhileIdle()
    if isHealthy {
      return resume(inner.withLock { $0.take($0.state.giveBack(connection)) })
    }
    let mayCancel = inner.withLock { $0.isRunning }
    if connection.isBroken, mayCancel {
      // Its place comes free once the server has stopped the statement.
      discard.yield(connection)
    } else {
      resume(inner.withLock { $0.take($0.state.lost()) })
    }
  }

  private func resume(
    _ served: (CheckedContinuation<Grant, any Error>, Grant)?
  ) {
    if let (continuation, grant) = served { continuation.resume(returning: grant) }
  }
}

extension PostgresPool.Inner {
  fileprivate mutating func take(
    _ served: (waiter: Int, grant: PoolState<PostgresConnection>.Grant)?
  ) -> (CheckedContinuation<PoolState<PostgresConnection>.Grant, any Error>, PoolState<PostgresConnection>.Grant)? {
    guard let served, let continuation = continuations.removeValue(forKey: served.waiter) else { return nil }
    return (continuation, served.grant)
  }
}
