internal import Core
internal import CPostgres
internal import Reactor

/// One connection to PostgreSQL, used by one task at a time: the pool lends it out and takes it back.
/// Every call waits on the reactor, never on a thread.
public final class PostgresConnection: @unchecked Sendable {  // one borrower at a time; the pool's lock hands it over
  let pointer: OpaquePointer
  let time: any TimeSource
  let statementTimeout: Duration
  /// Statements prepared on this connection, by text. Bounded: the oldest half goes when it is full.
  var prepared: [String: PreparedStatement] = [:]
  var preparedCount = 0
  /// Set when the protocol state is unknown (deadline, cancellation, broken socket): such a connection is closed.
  var isBroken = false
  var transactionDepth = 0

  struct PreparedStatement {
    let name: String
    var lastUse: Int
  }

  init(pointer: OpaquePointer, time: any TimeSource, statementTimeout: Duration) {
    self.pointer = pointer
    self.time = time
    self.statementTimeout = statementTimeout
  }

  deinit { PQfinish(pointer) }

  /// The server's process id for this connection, as in `pg_stat_activity`.
  public var backendID: Int { Int(PQbackendPID(pointer)) }

  /// Runs one statement with its binds and returns its rows, all of them in memory: bound them with `LIMIT`.
  /// - Parameter timeout: the deadline; the configuration's if nil. When it passes, the statement is cancelled at the
  ///   server and the connection is given up.
  @discardableResult
  public func query(_ query: Query, timeout: Duration? = nil) async throws(PostgresError) -> Rows {
    let deadline = time.uptime() + (timeout ?? statementTimeout)
    do {
      return try await execute(query, deadline: deadline)
    } catch  where error.isStalePlan && transactionDepth == 0 {
      // A migration changed a table under a prepared statement: forget it and prepare again, once.
      prepared = [:]
      return try await execute(query, deadline: deadline)
    }
  }

  /// Runs statements without binds, several if separated by `;`: for migrations and `SET`. The last result's rows.
  @discardableResult
  public func script(_ sql: String, timeout: Duration? = nil) async throws(PostgresError) -> Rows {
    let deadline = time.uptime() + (timeout ?? statementTimeout)
    try begin("script") { PQsendQuery(pointer, sql) }
    return try await finish(deadline: deadline, what: sql)
  }

  /// Runs `body` between BEGIN and COMMIT; ROLLBACK when it throws. Nested calls use savepoints.
  public func transaction<R>(
    _ body: (PostgresConnection) async throws -> R
  ) async throws -> R {
    let depth = transactionDepth
    try await script(depth == 0 ? "BEGIN" : "SAVEPOINT s\(depth)")
    transactionDepth += 1
    do {
      let result = try await body(self)
      transactionDepth = depth
      try await script(depth == 0 ? "COMMIT" : "RELEASE SAVEPOINT s\(depth)")
      return result
    } catch {
      transactionDepth = depth
      if !isBroken {
        do throws(PostgresError) {
          try await script(depth == 0 ? "ROLLBACK" : "ROLLBACK TO SAVEPOINT s\(depth)")
        } catch {
          isBroken = true
        }
      }
      throw error
    }
  }

  /// Streams rows into `COPY … FROM STDIN`: `next` gives chunks of COPY text format (manual, "COPY", "Text Format"),
  /// cut anywhere, and nil at the end. Memory held: one chunk. Returns the rows copied. When `next` throws, the COPY
  /// is aborted and nothing of it stays.
  public func copyIn(
    _ statement: Query, timeout: Duration? = nil, next: () async throws -> [UInt8]?
  ) async throws -> Int {
    let deadline = time.uptime() + (timeout ?? statementTimeout)
    try begin("COPY") { PQsendQuery(pointer, statement.text) }
    try await startCopy(statement.text, deadline: deadline)
    do {
      while let chunk = try await next() {
        try await put(chunk, deadline: deadline)
      }
    } catch {
      try await endCopy(abort: "the source failed", deadline: deadline)
      // The server answers an aborted COPY with an error, which is what we asked for.
      _ = try? await finish(deadline: deadline, what: "COPY")  // expected to fail, see above
      throw error
    }
    try await endCopy(abort: nil, deadline: deadline)
    return try await finish(deadline: deadline, what: statement.text).affected
  }
}

extension PostgresError {
  /// `invalid_sql_statement_name`, or `cached plan must not change result type`.
  var isStalePlan: Bool { sqlState == "26000" || (sqlState == "0A000" && message.contains("cached plan")) }
}
