internal import CPostgres
internal import Core
internal import Reactor

/// The conversation with libpq in non-blocking mode (manual §34.4): send, flush, wait, consume, take results.
extension PostgresConnection {
  private static var preparedMax: Int { 256 }

  func execute(_ query: Query, deadline: Duration) async throws(PostgresError) -> Rows {
    let name = try await prepare(query, deadline: deadline)
    try begin(query.text) {
      withParameters(query.binds) { values, lengths, formats in
        PQsendQueryPrepared(pointer, name, Int32(query.binds.count), values, lengths, formats, 0)
      }
    }
    return try await finish(deadline: deadline, what: query.text)
  }

  private func prepare(_ query: Query, deadline: Duration) async throws(PostgresError) -> String {
    preparedCount += 1
    if let known = prepared[query.text] {
      prepared[query.text]?.lastUse = preparedCount
      return known.name
    }
    if prepared.count >= Self.preparedMax { try await forgetOldStatements(deadline: deadline) }
    let name = "q\(preparedCount)"
    let types = query.binds.map { Oid($0.type.rawValue) }
    try begin(query.text) { PQsendPrepare(pointer, name, query.text, Int32(types.count), types) }
    _ = try await finish(deadline: deadline, what: query.text)
    prepared[query.text] = PreparedStatement(name: name, lastUse: preparedCount)
    return name
  }

  private func forgetOldStatements(deadline: Duration) async throws(PostgresError) {
    let old = prepared.sorted { $0.value.lastUse < $1.value.lastUse }.prefix(Self.preparedMax / 2)
    for (text, statement) in old {
      prepared[text] = nil
      try begin("DEALLOCATE") { PQsendQuery(pointer, "DEALLOCATE \(statement.name)") }
      _ = try await finish(deadline: deadline, what: "DEALLOCATE")
    }
  }

  /// Starts a command. Refuses to touch a connection whose state is unknown.
  func begin(_ what: String, _ send: () -> Int32) throws(PostgresError) {
    guard !isBroken else { throw PostgresError(.connection, "\(Self.brief(what)): the connection broke before") }
    guard send() == 1 else {
      isBroken = true
      throw PostgresError(.connection, "\(Self.brief(what)): \(lastMessage)")
    }
  }

  /// Flushes what was sent, waits for the results and returns the last one; an error result is thrown after the rest
  /// was taken, so that the connection stays usable.
  func finish(deadline: Duration, what: String) async throws(PostgresError) -> Rows {
    try await flush(deadline: deadline, what: what)
    var last: ResultBuffer?
    var failure: PostgresError?
    while let result = try await nextResult(deadline: deadline, what: what) {
      switch PQresultStatus(result.pointer) {
      case PGRES_TUPLES_OK, PGRES_COMMAND_OK, PGRES_EMPTY_QUERY: last = result
      case PGRES_COPY_IN, PGRES_COPY_OUT, PGRES_COPY_BOTH:
        isBroken = true
        throw PostgresError(.connection, "\(Self.brief(what)): COPY is only served by copyIn")
      default: failure = failure ?? error(of: result, what: what)
      }
    }
    if let failure {
      if PQstatus(pointer) != CONNECTION_OK { isBroken = true }
      throw failure
    }
    guard let last else {
      isBroken = true
      throw PostgresError(.connection, "\(Self.brief(what)): no answer")
    }
    return last.rows
  }

  /// The next result, nil when the command is complete.
  private func nextResult(deadline: Duration, what: String) async throws(PostgresError) -> ResultBuffer? {
    while PQisBusy(pointer) == 1 {
      try await wait(.read, deadline: deadline, what: what)
      guard PQconsumeInput(pointer) == 1 else {
        isBroken = true
        throw PostgresError(.connection, "\(Self.brief(what)): \(lastMessage)")
      }
    }
    return PQgetResult(pointer).map { ResultBuffer($0) }
  }

  func flush(deadline: Duration, what: String) async throws(PostgresError) {
    while true {
      switch PQflush(pointer) {
      case 0: return
      case 1: try await wait(.write, deadline: deadline, what: what)
      default:
        isBroken = true
        throw PostgresError(.connection, "\(Self.brief(what)): \(lastMessage)")
      }
    }
  }

  enum Direction { case read, write }

  func wait(_ direction: Direction, deadline: Duration, what: String) async throws(PostgresError) {
    let remaining = deadline - time.uptime()
    do throws(ReactorError) {
      guard remaining > .zero else { throw ReactorError.timedOut("PostgreSQL") }
      switch direction {
      case .read: try await IO.wait(PQsocket(pointer), for: .read, timeout: remaining)
      case .write: try await IO.wait(PQsocket(pointer), for: .write, timeout: remaining)
      }
    } catch {
      // Whatever is under way has an unknown end: this connection is never used again; the pool cancels the statement.
      isBroken = true
      switch error {
      case .timedOut: throw PostgresError(.timedOut, "\(Self.brief(what)): no answer in time")
      case .cancelled: throw PostgresError(.cancelled, "\(Self.brief(what)): the task was cancelled")
      default: throw PostgresError(.connection, "\(Self.brief(what)): \(error)")
      }
    }
  }

  // MARK: COPY

  func startCopy(_ what: String, deadline: Duration) async throws(PostgresError) {
    try await flush(deadline: deadline, what: what)
    guard let result = try await nextResult(deadline: deadline, what: what) else {
      isBroken = true
      throw PostgresError(.connection, "\(Self.brief(what)): no answer")
    }
    if PQresultStatus(result.pointer) == PGRES_COPY_IN { return }
    let failure = error(of: result, what: what)
    while try await nextResult(deadline: deadline, what: what) != nil {}
    throw failure
  }

  func put(_ chunk: [UInt8], deadline: Duration) async throws(PostgresError) {
    while true {
      let status = chunk.withUnsafeBytes { bytes in
        PQputCopyData(pointer, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), Int32(bytes.count))
      }
      if status == 1 { break }
      guard status == 0 else {
        isBroken = true
        throw PostgresError(.connection, "COPY: \(lastMessage)")
      }
      try await wait(.write, deadline: deadline, what: "COPY")
    }
    // Without this libpq would buffer without bound when the server is slower than the source.
    try await flush(deadline: deadline, what: "COPY")
  }

  func endCopy(abort: String?, deadline: Duration) async throws(PostgresError) {
    while true {
      let status = PQputCopyEnd(pointer, abort)
      if status == 1 { return }
      guard status == 0 else {
        isBroken = true
        throw PostgresError(.connection, "COPY: \(lastMessage)")
      }
      try await wait(.write, deadline: deadline, what: "COPY")
    }
  }

  // MARK: Errors

  var lastMessage: String { Self.oneLine(PQerrorMessage(pointer).map { String(cString: $0) } ?? "unknown error") }

  private func error(of result: ResultBuffer, what: String) -> PostgresError {
    func field(_ code: artstore_pq_field) -> String? {
      artstore_pq_error_field(result.pointer, code).map { String(cString: $0) }
    }
    let message = field(ARTSTORE_PQ_MESSAGE) ?? lastMessage
    guard let state = field(ARTSTORE_PQ_SQLSTATE) else {
      isBroken = true
      return PostgresError(.connection, "\(Self.brief(what)): \(Self.oneLine(message))")
    }
    return PostgresError(
      .server(sqlState: state), "\(Self.brief(what)): \(Self.oneLine(message))",
      constraint: field(ARTSTORE_PQ_CONSTRAINT))
  }

  /// The beginning of a statement, on one line, for messages.
  static func brief(_ text: String) -> String {
    let words = text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    return words.count <= 80 ? words : String(words.prefix(77)) + "…"
  }

  private static func oneLine(_ text: String) -> String {
    text.split(whereSeparator: \.isNewline).joined(separator: " ")
  }
}

/// Lays the binds out as libpq wants them: pointers, lengths, formats.
private func withParameters<R>(
  _ binds: [Bind],
  _ body: (UnsafePointer<UnsafePointer<CChar>?>?, UnsafePointer<Int32>?, UnsafePointer<Int32>?) -> R
) -> R {
  // One block of bytes, each value followed by a zero, which text parameters need.
  var storage: [UInt8] = []
  var offsets: [Int?] = []
  for bind in binds {
    offsets.append(bind.bytes == nil ? nil : storage.count)
    storage += bind.bytes ?? []
    storage.append(0)
  }
  let lengths = binds.map { Int32($0.bytes?.count ?? 0) }
  let formats = binds.map { Int32($0.isBinary ? 1 : 0) }
  return storage.withUnsafeBytes { bytes in
    let values = offsets.map { offset -> UnsafePointer<CChar>? in
      guard let offset, let base = bytes.baseAddress else { return nil }
      return (base + offset).assumingMemoryBound(to: CChar.self)
    }
    return values.withUnsafeBufferPointer { values in
      lengths.withUnsafeBufferPointer { lengths in
        formats.withUnsafeBufferPointer { formats in
          body(values.baseAddress, lengths.baseAddress, formats.baseAddress)
        }
      }
    }
  }
}
