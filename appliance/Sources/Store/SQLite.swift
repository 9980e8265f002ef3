internal import CSQLite
internal import Glibc

/// A failed call of SQLite: what was attempted and the library's own words.
struct SQLiteError: Error, CustomStringConvertible {
  let attempt: String
  let code: Int32
  let message: String
  /// The kernel's error number behind it, where there is one.
  var cause: Int32 = 0

  private var kind: Int32 { code & 0xFF }
  /// Not ours to see into; SQLite's headers have them as expressions.
  private static let synced: Set<Int32> = [4, 5].reduce(into: []) { $0.insert(SQLITE_IOERR | $1 << 8) }
  /// No memory; the shared memory of its log could not be opened, enlarged, locked or mapped.
  private static let passing: Set<Int32> = [12, 18, 19, 20, 21].reduce(into: []) { $0.insert(SQLITE_IOERR | $1 << 8) }

  /// There is no room on the disk, or none for this user. Not a sync that says so: what was written may be dropped.
  var isFull: Bool {
    kind == SQLITE_FULL
      || kind == SQLITE_IOERR && (cause == ENOSPC || cause == EDQUOT) && !Self.synced.contains(code)
      || code == SQLITE_IOERR | 19 << 8
  }
  /// Later tries may go well, and nothing has become of what is there.
  var isPassing: Bool {
    isFull || [SQLITE_BUSY, SQLITE_LOCKED, SQLITE_NOMEM, SQLITE_CANTOPEN].contains(kind) || Self.passing.contains(code)
  }
  /// The file is not what SQLite wrote, or the disk cannot tell.
  var isDistrust: Bool { !isPassing && [SQLITE_CORRUPT, SQLITE_NOTADB, SQLITE_IOERR].contains(kind) }
  var description: String { "\(attempt): \(message) (SQLite code \(code))" }
}

/// One connection. Used by one thread at a time; its owner sees to that.
final class SQLiteConnection {
  private let handle: OpaquePointer
  private var statements: [String: SQLiteStatement] = [:]

  /// Opens a database file, made when missing unless `readOnly`.
  init(_ path: String, readOnly: Bool = false) throws(SQLiteError) {
    var handle: OpaquePointer?
    let flags = (readOnly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE) | SQLITE_OPEN_NOMUTEX
    let status = sqlite3_open_v2(path, &handle, flags, nil)
    guard status == SQLITE_OK, let handle else {
      let message = handle.flatMap { sqlite3_errmsg($0) }.map { String(cString: $0) } ?? "no memory"
      let cause = handle.map { sqlite3_system_errno($0) } ?? 0
      sqlite3_close_v2(handle)
      throw SQLiteError(attempt: "open \(path)", code: status, message: message, cause: cause)
    }
    self.handle = handle
    sqlite3_extended_result_codes(handle, 1)
    sqlite3_busy_timeout(handle, 5000)
  }

  deinit {
    for statement in statements.values { statement.finalize() }
    sqlite3_close_v2(handle)
  }

  /// Runs statements that return nothing.
  func execute(_ sql: String) throws(SQLiteError) {
    let status = sqlite3_exec(handle, sql, nil, nil, nil)
    guard status == SQLITE_OK else { throw error(sql, status) }
  }

  /// A prepared statement, kept for the next time; reset, with nothing bound.
  func statement(_ sql: String) throws(SQLiteError) -> SQLiteStatement {
    if let known = statements[sql] {
      known.reset()
      return known
    }
    var pointer: OpaquePointer?
    let status = sqlite3_prepare_v3(handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &pointer, nil)
    guard status == SQLITE_OK, let pointer else { throw error(sql, status) }
    let made = SQLiteStatement(pointer, connection: self, sql: sql)
    statements[sql] = made
    return made
  }

  /// One transaction; rolled back when `body` throws.
  func transaction<Result>(
    _ kind: String = "IMMEDIATE", _ body: () throws(SQLiteError) -> Result
  ) throws(SQLiteError) -> Result {
    try statement("BEGIN \(kind)").run()
    do throws(SQLiteError) {
      let result = try body()
      try statement("COMMIT").run()
      return result
    } catch {
      try? statement("ROLLBACK").run()  // the first error is the one to tell; SQLite may have rolled back by itself
      throw error
    }
  }

  func error(_ attempt: String, _ status: Int32) -> SQLiteError {
    SQLiteError(
      attempt: String(attempt.prefix(120)), code: status, message: String(cString: sqlite3_errmsg(handle)),
      cause: sqlite3_system_errno(handle))
  }
}

/// A prepared statement: bind in order, then `step` row by row or `run`.
final class SQLiteStatement {
  private let pointer: OpaquePointer
  private unowned let connection: SQLiteConnection
  private let sql: String
  private var bound: Int32 = 0

  init(_ pointer: OpaquePointer, connection: SQLiteConnection, sql: String) {
    self.pointer = pointer
    self.connection = connection
    self.sql = sql
  }

  func finalize() { sqlite3_finalize(pointer) }

  func reset() {
    sqlite3_reset(pointer)
    sqlite3_clear_bindings(pointer)
    bound = 0
  }

  @discardableResult
  func bind(_ value: Int64?) -> Self {
    bound += 1
    if let value { sqlite3_bind_int64(pointer, bound, value) } else { sqlite3_bind_null(pointer, bound) }
    return self
  }

  @discardableResult
  func bind(_ value: Int) -> Self { bind(Int64(value)) }

  /// LSNs and ids fit: SQLite's integers are signed, LSNs never reach 2^63.
  @discardableResult
  func bind(_ value: UInt64) -> Self { bind(Int64(bitPattern: value)) }

  @discardableResult
  func bind(_ text: String) -> Self {
    bound += 1
    sqlite3_bind_text(pointer, bound, text, -1, Self.transient)
    return self
  }

  @discardableResult
  func bind(_ bytes: [UInt8]) -> Self {
    bound += 1
    _ = bytes.withUnsafeBytes { sqlite3_bind_blob64(pointer, bound, $0.baseAddress, UInt64($0.count), Self.transient) }
    return self
  }

  /// Whether there is a (next) row. The statement is reset at the end.
  func step() throws(SQLiteError) -> Bool {
    let status = sqlite3_step(pointer)
    switch status {
    case SQLITE_ROW: return true
    case SQLITE_DONE:
      reset()
      return false
    default:
      let failure = connection.error(sql, status)
      reset()
      throw failure
    }
  }

  /// Runs a statement to its end, whatever rows it gives.
  func run() throws(SQLiteError) { while try step() {} }

  func integer(_ column: Int32) -> Int64 { sqlite3_column_int64(pointer, column) }

  func unsigned(_ column: Int32) -> UInt64 { UInt64(bitPattern: integer(column)) }

  func optionalInteger(_ column: Int32) -> Int64? {
    sqlite3_column_type(pointer, column) == SQLITE_NULL ? nil : integer(column)
  }

  func text(_ column: Int32) -> String { sqlite3_column_text(pointer, column).map { String(cString: $0) } ?? "" }

  func bytes(_ column: Int32) -> [UInt8] {
    let count = Int(sqlite3_column_bytes(pointer, column))
    guard count > 0, let base = sqlite3_column_blob(pointer, column) else { return [] }
    return [UInt8](UnsafeRawBufferPointer(start: base, count: count))
  }

  /// Appends a column's bytes without a copy of their own.
  func append(_ column: Int32, to out: inout [UInt8]) {
    let count = Int(sqlite3_column_bytes(pointer, column))
    guard count > 0, let base = sqlite3_column_blob(pointer, column) else { return }
    out.append(contentsOf: UnsafeRawBufferPointer(start: base, count: count))
  }

  /// SQLite copies what is bound before the call returns: SQLITE_TRANSIENT, a macro that Swift cannot see.
  private static var transient: sqlite3_destructor_type { unsafeBitCast(-1, to: sqlite3_destructor_type.self) }
}
