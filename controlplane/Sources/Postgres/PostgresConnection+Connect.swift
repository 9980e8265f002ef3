internal import CPostgres
internal import Core
internal import Glibc
internal import Reactor

extension PostgresConnection {
  /// Opens a connection and sets the session as the decoders expect it. Deadline: the configuration's `connectTimeout`.
  static func connect(
    _ configuration: PostgresConfiguration, time: any TimeSource
  ) async throws(PostgresError) -> PostgresConnection {
    let deadline = time.uptime() + configuration.connectTimeout
    // `dbname` holds the whole URI (expand_dbname); what comes after it in the list beats it.
    let keywords = ["fallback_application_name", "dbname", "client_encoding"]
    let values = ["artstore", configuration.url, "UTF8"]
    let started = withCStrings(keywords) { keywords in
      withCStrings(values) { values in PQconnectStartParams(keywords, values, 1) }
    }
    guard let started else { throw PostgresError(.connection, "connect: out of memory") }
    let connection = PostgresConnection(
      pointer: started, time: time, statementTimeout: configuration.statementTimeout)
    guard PQstatus(started) != CONNECTION_BAD else {
      throw PostgresError(.connection, "connect: \(connection.lastMessage)")
    }
    try await connection.poll(deadline: deadline)
    guard PQsetnonblocking(started, 1) == 0 else {
      throw PostgresError(.connection, "connect: \(connection.lastMessage)")
    }
    // The server must notice within seconds that a client's machine is gone: its advisory locks wait for that.
    // What a server says besides answers (NOTICE) would go to stderr.
    _ = PQsetNoticeReceiver(started, { _, _ in }, nil)
    let milliseconds = configuration.statementTimeout.microseconds / 1000
    try await connection.script(
      """
      SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET bytea_output = 'hex';
      SET statement_timeout = \(milliseconds); SET idle_in_transaction_session_timeout = '120s';
      SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 2; SET tcp_keepalives_count = 3
      """, timeout: deadline - time.uptime())
    return connection
  }

  private func poll(deadline: Duration) async throws(PostgresError) {
    var interest = Direction.write
    while true {
      try await wait(interest, deadline: deadline, what: "connect")
      switch PQconnectPoll(pointer) {
      case PGRES_POLLING_OK: return
      case PGRES_POLLING_READING: interest = .read
      case PGRES_POLLING_WRITING: interest = .write
      default:
        isBroken = true
        throw PostgresError(.connection, "connect: \(lastMessage)")
      }
    }
  }

  /// Whether an idle connection still stands: a server that went away has left an end of file or a farewell to read.
  func isAliveWhileIdle() -> Bool {
    guard !isBroken, PQstatus(pointer) == CONNECTION_OK, transactionDepth == 0 else { return false }
    guard PQtransactionStatus(pointer) == PQTRANS_IDLE else { return false }
    guard hasFarewellToRead() else { return true }
    // A notice or a changed setting is no reason to leave; a farewell is followed by the end of the stream.
    guard PQconsumeInput(pointer) == 1, PQstatus(pointer) == CONNECTION_OK, PQisBusy(pointer) == 0 else { return false }
    return !hasFarewellToRead()
  }

  /// Whether there is anything to read, the end of the stream included, although nothing was asked.
  private func hasFarewellToRead() -> Bool {
    var byte: UInt8 = 0
    return recv(PQsocket(pointer), &byte, 1, CInt(MSG_PEEK) | CInt(MSG_DONTWAIT)) >= 0
  }

  /// Asks the server to stop what this connection does. Blocks: it opens a connection of its own.
  func cancelBlocking() {
    guard let cancel = PQgetCancel(pointer) else { return }
    defer { PQfreeCancel(cancel) }
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
      _ = PQcancel(cancel, buffer.baseAddress, Int32(buffer.count))
    }
  }
}

/// A NULL-terminated array of C strings, as libpq's keyword lists are.
private func withCStrings<R>(_ strings: [String], _ body: (UnsafePointer<UnsafePointer<CChar>?>) -> R) -> R {
  var storage: [UInt8] = []
  var offsets: [Int] = []
  for string in strings {
    offsets.append(storage.count)
    storage += string.utf8
    storage.append(0)
  }
  return storage.withUnsafeBytes { bytes in
    // Not empty: every list here has at least one string, so the base address is there.
    var pointers: [UnsafePointer<CChar>?] = offsets.map { offset in
      bytes.baseAddress.map { ($0 + offset).assumingMemoryBound(to: CChar.self) }
    }
    pointers.append(nil)
    return pointers.withUnsafeBufferPointer { list in
      guard let base = list.baseAddress else { preconditionFailure("a list with its terminator is never empty") }
      return body(base)
    }
  }
}
