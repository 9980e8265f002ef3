internal import Core

/// The index's one writing connection, with the counters that belong to it. Lives inside `Index.writer`'s lock.
final class IndexWriter {
  let connection: SQLiteConnection
  let identity: IndexIdentity
  let generation: UInt64
  /// False while a rebuild has not ended.
  private(set) var isComplete: Bool
  private(set) var appliedLSN: UInt64
  private(set) var tombstoneFloor: UInt64
  private(set) var totals: IndexTotals

  /// Takes over an existing database.
  init(_ connection: SQLiteConnection) throws(SQLiteError) {
    self.connection = connection
    var values: [String: [UInt8]] = [:]
    var numbers: [String: UInt64] = [:]
    let meta = try connection.statement("SELECT key, value FROM meta")
    while try meta.step() {
      values[meta.text(0)] = meta.bytes(1)
      numbers[meta.text(0)] = meta.unsigned(1)
    }
    guard let id = values["appliance"], let appliance = FileID(bytes: id[...]), let epoch = numbers["epoch"],
      let generation = numbers["generation"], let applied = numbers["applied_lsn"],
      let floor = numbers["tombstone_floor"], let state = numbers["complete"]
    else { throw SQLiteError(attempt: "read meta", code: 11, message: "the index's own description is incomplete") }
    identity = IndexIdentity(appliance: appliance, epoch: epoch)
    self.generation = generation
    isComplete = state == 1
    appliedLSN = applied
    tombstoneFloor = floor
    totals = try Self.readTotals(connection)
  }

  static func initialise(
    _ connection: SQLiteConnection, identity: IndexIdentity, generation: UInt64, isComplete: Bool, through lsn: UInt64
  ) throws(SQLiteError) {
    let insert = "INSERT INTO meta (key, value) VALUES (?, ?)"
    try connection.statement(insert).bind("appliance").bind(identity.appliance.bytes).run()
    try connection.statement(insert).bind("epoch").bind(identity.epoch).run()
    try connection.statement(insert).bind("generation").bind(generation).run()
    try connection.statement(insert).bind("applied_lsn").bind(lsn).run()
    try connection.statement(insert).bind("tombstone_floor").bind(0).run()
    try connection.statement(insert).bind("complete").bind(isComplete ? 1 : 0).run()
    for status in 0..<3 { try connection.statement("INSERT INTO totals VALUES (?, 0, 0)").bind(status).run() }
    for bucket in 0..<256 { try connection.statement("INSERT INTO buckets VALUES (?, 0, 0)").bind(bucket).run() }
  }

  private static func readTotals(_ connection: SQLiteConnection) throws(SQLiteError) -> IndexTotals {
    var totals = IndexTotals()
    let counts = try connection.statement("SELECT status, files, bytes FROM totals")
    while try counts.step() {
      totals.counts[Int(counts.integer(0))] = .init(files: Int(counts.integer(1)), bytes: Int(counts.integer(2)))
    }
    let buckets = try connection.statement("SELECT bucket, high, low FROM buckets")
    while try buckets.step() {
      totals.buckets[Int(buckets.integer(0))] = UInt128(buckets.unsigned(1)) << 64 | UInt128(buckets.unsigned(2))
    }
    return totals
  }

  /// One transaction: rows, tombstones, counters, `applied_lsn`.
  func apply(_ changes: [IndexChange], through lsn: UInt64) throws(SQLiteError) {
    let before = totals
    do throws(SQLiteError) {
      try connection.statement("BEGIN IMMEDIATE").run()
      for change in changes {
        switch change {
        // Before a rebuild has ended it may have come by one's file sooner.
        case .upsert(let row, let isNew): try upsert(row, isNew: isNew && isComplete)
        case .remove(let id, let lsn, let at): try remove(id, lsn: lsn, at: at)
        }
      }
      try saveTotals(since: before)
      try set("applied_lsn", max(lsn, appliedLSN))
      try connection.statement("COMMIT").run()
    } catch {
      try? connection.statement("ROLLBACK").run()  // the first error is the one to tell; SQLite may have rolled back
      totals = before
      throw error
    }
    appliedLSN = max(lsn, appliedLSN)
  }

  /// Rows that a rebuild found: each enters only when the index knows nothing as new about its document.
  func merge(_ rows: [IndexRow]) throws(SQLiteError) {
    let before = totals
    do throws(SQLiteError) {
      try connection.statement("BEGIN IMMEDIATE").run()
      for row in rows where try !isRemoved(row.id) { try upsert(row, isNew: false) }
      try saveTotals(since: before)
      try connection.statement("COMMIT").run()
    } catch {
      try? connection.statement("ROLLBACK").run()  // the first error is the one to tell; SQLite may have rolled back
      totals = before
      throw error
    }
  }

  /// A rebuild has ended: cursors of before know another generation, so tombstones of before are not missed.
  func complete() throws(SQLiteError) {
    try set("complete", 1)
    isComplete = true
  }

  /// Forgets tombstones older than `time`; cursors below the newest of them are too old from now on.
  func pruneTombstones(before time: Timestamp) throws(SQLiteError) {
    let newest = try connection.statement("SELECT max(lsn) FROM tombstones WHERE at < ?").bind(time.microseconds)
    defer { newest.reset() }
    guard try newest.step(), let lsn = newest.optionalInteger(0) else { return }
    newest.reset()
    try connection.transaction { () throws(SQLiteError) in
      try connection.statement("DELETE FROM tombstones WHERE lsn <= ?").bind(lsn).run()
      try set("tombstone_floor", UInt64(bitPattern: lsn))
    }
    tombstoneFloor = UInt64(bitPattern: lsn)
  }

  /// Marks a document as damaged, or (nil) as sound again.
  func mark(_ id: FileID, _ problem: String?, at time: Timestamp) throws(SQLiteError) {
    guard let problem else {
      return try connection.statement("DELETE FROM problems WHERE id = ?").bind(id.bytes).run()
    }
    try connection.statement("INSERT OR REPLACE INTO problems (id, kind, at) VALUES (?, ?, ?)")
      .bind(id.bytes).bind(problem).bind(time.microseconds).run()
  }

  /// Writes what is there already: whether anything can be written.
  func touch() throws(SQLiteError) { try set("applied_lsn", appliedLSN) }

  /// Moves everything from SQLite's own log into the database file and syncs both.
  func makeDurable() throws(SQLiteError) { try connection.execute("PRAGMA wal_checkpoint(FULL)") }

  /// Moves SQLite's own log into the database file and gives its room back.
  func shrink() throws(SQLiteError) { try connection.execute("PRAGMA wal_checkpoint(TRUNCATE)") }

  private func set(_ key: String, _ value: UInt64) throws(SQLiteError) {
    try connection.statement("UPDATE meta SET value = ? WHERE key = ?").bind(value).bind(key).run()
  }

  private func isRemoved(_ id: FileID) throws(SQLiteError) -> Bool {
    let statement = try connection.statement("SELECT 1 FROM tombstones WHERE id = ?").bind(id.bytes)
    defer { statement.reset() }
    return try statement.step()
  }
}

extension IndexWriter {
  private struct Old {
    let lsn: UInt64
    let status: Int
    let size: Int
    let contribution: UInt128
  }

  private func upsert(_ row: IndexRow, isNew: Bool) throws(SQLiteError) {
    let contribution = IndexTotals.contribution(row)
    if !isNew, let old = try old(row.id) {
      guard old.lsn < row.lsn else { return }
      totals.remove(row.id, status: old.status, size: old.size, contribution: old.contribution)
      try connection.statement(
        """
        UPDATE files SET lsn = ?, status = ?, size = ?, uploaded_at = ?, expires_at = ?, changed_at = ?,
          digest_high = ?, digest_low = ?, path = ?, json = ? WHERE id = ?
        """
      ).bind(row, contribution).bind(row.id.bytes).run()
    } else {
      try connection.statement(
        """
        INSERT INTO files
          (lsn, status, size, uploaded_at, expires_at, changed_at, digest_high, digest_low, path, json, id)
          VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """
      ).bind(row, contribution).bind(row.id.bytes).run()
    }
    totals.add(row.id, status: row.status, size: row.size, contribution: contribution)
  }

  private func remove(_ id: FileID, lsn: UInt64, at time: Timestamp) throws(SQLiteError) {
    if let old = try old(id) {
      guard old.lsn < lsn else { return }
      totals.remove(id, status: old.status, size: old.size, contribution: old.contribution)
      try connection.statement("DELETE FROM files WHERE id = ?").bind(id.bytes).run()
      try connection.statement("DELETE FROM problems WHERE id = ?").bind(id.bytes).run()
    }
    try connection.statement("INSERT OR REPLACE INTO tombstones (lsn, id, at) VALUES (?, ?, ?)")
      .bind(lsn).bind(id.bytes).bind(time.microseconds).run()
  }

  private func old(_ id: FileID) throws(SQLiteError) -> Old? {
    let statement = try connection.statement(
      "SELECT lsn, status, size, digest_high, digest_low FROM files WHERE id = ?"
    ).bind(id.bytes)
    defer { statement.reset() }
    guard try statement.step() else { return nil }
    return Old(
      lsn: statement.unsigned(0), status: Int(statement.integer(1)), size: Int(statement.integer(2)),
      contribution: UInt128(statement.unsigned(3)) << 64 | UInt128(statement.unsigned(4)))
  }

  private func saveTotals(since before: IndexTotals) throws(SQLiteError) {
    for status in 0..<3 where totals.counts[status] != before.counts[status] {
      try connection.statement("UPDATE totals SET files = ?, bytes = ? WHERE status = ?")
        .bind(totals.counts[status].files).bind(totals.counts[status].bytes).bind(status).run()
    }
    for bucket in 0..<256 where totals.buckets[bucket] != before.buckets[bucket] {
      let sum = totals.buckets[bucket]
      try connection.statement("UPDATE buckets SET high = ?, low = ? WHERE bucket = ?")
        .bind(UInt64(sum >> 64)).bind(UInt64(truncatingIfNeeded: sum)).bind(bucket).run()
    }
  }
}

extension SQLiteStatement {
  /// The columns of a row in the order of both writing statements.
  fileprivate func bind(_ row: IndexRow, _ contribution: UInt128) -> Self {
    bind(row.lsn).bind(row.status).bind(row.size).bind(row.uploadedAt.microseconds)
      .bind(row.expiresAt?.microseconds).bind(row.changedAt.microseconds)
      .bind(UInt64(contribution >> 64)).bind(UInt64(truncatingIfNeeded: contribution)).bind(row.path).bind(row.json)
  }
}
