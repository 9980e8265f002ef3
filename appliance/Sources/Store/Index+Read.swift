internal import Core

extension Index {
  static let columns = "id, lsn, status, size, uploaded_at, expires_at, changed_at, path, json"

  /// A document's row, whatever its status.
  func row(_ id: FileID) throws(SQLiteError) -> IndexRow? {
    switch waitingRow(id) {
    case .row(let row): return row
    case .removed: return nil
    case .unknown: break
    }
    return try readSettled { (connection) throws(SQLiteError) in
      let statement = try connection.statement("SELECT \(Self.columns) FROM files WHERE id = ?").bind(id.bytes)
      defer { statement.reset() }
      return try statement.step() ? IndexRow(statement) : nil
    }
  }

  /// A page of the listing in `seq` order: comma-separated JSON. Of what is in SQLite: see `settled`.
  func page(
    after seq: Int64, offset: Int, limit: Int, status: Int?
  ) throws(SQLiteError) -> (items: [UInt8], count: Int, last: Int64, hasMore: Bool) {
    try readSettled { (connection) throws(SQLiteError) in
      let filter = status.map { "AND status = \($0)" } ?? ""
      let statement = try connection.statement(
        "SELECT seq, json FROM files WHERE seq > ? \(filter) ORDER BY seq LIMIT ? OFFSET ?"
      ).bind(seq).bind(limit + 1).bind(offset)
      defer { statement.reset() }
      var items: [UInt8] = []
      items.reserveCapacity(limit * 512)
      var count = 0
      var last = seq
      while try statement.step() {
        if count == limit { return (items, count, last, true) }
        if count > 0 { items.append(UInt8(ascii: ",")) }
        statement.append(1, to: &items)
        last = statement.integer(0)
        count += 1
      }
      return (items, count, last, false)
    }
  }

  /// Lines of what changed after `lsn`, oldest first; ends at the state's own LSN when nothing more follows. As `page`.
  func changes(
    after lsn: UInt64, limit: Int
  ) throws(SQLiteError) -> (lines: [UInt8], count: Int, last: UInt64, hasMore: Bool) {
    try readSettled { (connection) throws(SQLiteError) in
      let applied = try Self.appliedLSN(connection)
      // Merged here: SQLite would sort whole records, and a large page through a temporary file, which the sandbox has
      // no place for.
      let puts = try connection.statement("SELECT lsn, NULL, json FROM files WHERE lsn > ? ORDER BY lsn LIMIT ?")
        .bind(lsn).bind(limit + 1)
      defer { puts.reset() }
      let deletions = try connection.statement(
        "SELECT lsn, id, NULL FROM tombstones WHERE lsn > ? ORDER BY lsn LIMIT ?"
      ).bind(lsn).bind(limit + 1)
      defer { deletions.reset() }
      var lines: [UInt8] = []
      lines.reserveCapacity(min(limit, 1000) * 560)
      var count = 0
      var last = lsn
      var put = try puts.step() ? puts.unsigned(0) : nil
      var deletion = try deletions.step() ? deletions.unsigned(0) : nil
      while put != nil || deletion != nil {
        if count == limit { return (lines, count, last, true) }
        let isPut = (put ?? .max) < (deletion ?? .max)
        let next = isPut ? puts : deletions
        last = next.unsigned(0)
        FeedLine.append(next, lsn: last, to: &lines)
        count += 1
        let following = try next.step() ? next.unsigned(0) : nil
        if isPut { put = following } else { deletion = following }
      }
      return (lines, count, max(last, applied), false)
    }
  }

  /// Lines of the rows with ids in (`after`, `until`], in id order, and the LSN of the state that they are read from.
  /// As `page`.
  func range(
    after: FileID?, until: FileID, limit: Int
  ) throws(SQLiteError) -> (lines: [UInt8], count: Int, applied: UInt64, hasMore: Bool) {
    try readSettled { (connection) throws(SQLiteError) in
      let applied = try Self.appliedLSN(connection)
      let lower = after == nil ? ">=" : ">"
      let statement = try connection.statement(
        "SELECT lsn, NULL, json FROM files WHERE id \(lower) ? AND id <= ? ORDER BY id LIMIT ?"
      ).bind((after ?? .lowest).bytes).bind(until.bytes).bind(limit + 1)
      defer { statement.reset() }
      var lines: [UInt8] = []
      var count = 0
      while try statement.step() {
        if count == limit { return (lines, count, applied, true) }
        FeedLine.append(statement, lsn: statement.unsigned(0), to: &lines)
        count += 1
      }
      return (lines, count, applied, false)
    }
  }

  /// Active documents whose time has come.
  func expired(at time: Timestamp, limit: Int) throws(SQLiteError) -> [FileID] {
    try ids("SELECT id FROM files WHERE status = 0 AND expires_at IS NOT NULL AND expires_at <= ? LIMIT ?") {
      $0.bind(time.microseconds).bind(limit)
    }
  }

  /// Expired and deleted documents whose last change is older than `time`.
  func removable(before time: Timestamp, limit: Int) throws(SQLiteError) -> [FileID] {
    try ids("SELECT id FROM files WHERE status <> 0 AND changed_at < ? LIMIT ?") {
      $0.bind(time.microseconds).bind(limit)
    }
  }

  /// Rows in `seq` order, for passes over everything.
  func rows(after seq: Int64, limit: Int) throws(SQLiteError) -> [(seq: Int64, row: IndexRow)] {
    try read { (connection) throws(SQLiteError) in
      let statement = try connection.statement(
        "SELECT \(Self.columns), seq FROM files WHERE seq > ? ORDER BY seq LIMIT ?"
      ).bind(seq).bind(limit)
      defer { statement.reset() }
      var rows: [(seq: Int64, row: IndexRow)] = []
      while try statement.step() { rows.append((statement.integer(9), IndexRow(statement))) }
      return rows
    }
  }

  /// When the newest change in the index was made.
  func newestChange() throws(SQLiteError) -> Timestamp {
    try readSettled { (connection) throws(SQLiteError) in
      let statement = try connection.statement("SELECT changed_at FROM files ORDER BY lsn DESC LIMIT 1")
      defer { statement.reset() }
      return Timestamp(microseconds: try statement.step() ? statement.integer(0) : 0)
    }
  }

  func isRemoved(_ id: FileID) throws(SQLiteError) -> Bool {
    if case .removed = waitingRow(id) { return true }
    return try readSettled { (connection) throws(SQLiteError) in
      let statement = try connection.statement("SELECT 1 FROM tombstones WHERE id = ?").bind(id.bytes)
      defer { statement.reset() }
      return try statement.step()
    }
  }

  /// Documents marked as damaged, with the kind of damage.
  func problems() throws(SQLiteError) -> [FileID: String] {
    try read { (connection) throws(SQLiteError) in
      let statement = try connection.statement("SELECT id, kind FROM problems")
      defer { statement.reset() }
      var found: [FileID: String] = [:]
      while try statement.step() {
        if let id = FileID(bytes: statement.bytes(0)[...]) { found[id] = statement.text(1) }
      }
      return found
    }
  }

  private func ids(
    _ sql: String, _ bind: (SQLiteStatement) -> SQLiteStatement
  ) throws(SQLiteError) -> [FileID] {
    try read { (connection) throws(SQLiteError) in
      let statement = bind(try connection.statement(sql))
      defer { statement.reset() }
      var ids: [FileID] = []
      while try statement.step() { if let id = FileID(bytes: statement.bytes(0)[...]) { ids.append(id) } }
      return ids
    }
  }

  static func appliedLSN(_ connection: SQLiteConnection) throws(SQLiteError) -> UInt64 {
    let statement = try connection.statement("SELECT value FROM meta WHERE key = 'applied_lsn'")
    defer { statement.reset() }
    return try statement.step() ? statement.unsigned(0) : 0
  }
}

extension IndexRow {
  /// From a row of `Index.columns`.
  init(_ statement: SQLiteStatement) {
    self.init(
      id: FileID(bytes: statement.bytes(0)[...]) ?? .lowest, lsn: statement.unsigned(1),
      status: Int(statement.integer(2)), size: Int(statement.integer(3)),
      uploadedAt: Timestamp(microseconds: statement.integer(4)),
      expiresAt: statement.optionalInteger(5).map(Timestamp.init(microseconds:)),
      changedAt: Timestamp(microseconds: statement.integer(6)), path: statement.text(7), json: statement.bytes(8))
  }
}

/// Lines of the feed: `{"op":"put","lsn":…,"record":…}`, `{"op":"delete","lsn":…,"file_id":…}` and the closing
/// `{"cursor":…,"more":…}`.
enum FeedLine {
  /// From a row (lsn, id or NULL, json or NULL).
  static func append(_ statement: SQLiteStatement, lsn: UInt64, to lines: inout [UInt8]) {
    let id = FileID(bytes: statement.bytes(1)[...])
    lines.append(contentsOf: id == nil ? #"{"op":"put","lsn":"#.utf8 : #"{"op":"delete","lsn":"#.utf8)
    lines.appendDecimal(Int(lsn))
    if let id {
      lines.append(contentsOf: #","file_id":""#.utf8)
      lines.append(contentsOf: id.text)
      lines.append(contentsOf: "\"}\n".utf8)
    } else {
      lines.append(contentsOf: #","record":"#.utf8)
      statement.append(2, to: &lines)
      lines.append(contentsOf: "}\n".utf8)
    }
  }

  static func close(cursor: String, more: Bool, to lines: inout [UInt8]) {
    lines.append(contentsOf: "{\"cursor\":\"\(cursor)\",\"more\":\(more)}\n".utf8)
  }
}
