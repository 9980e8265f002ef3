internal import Core
internal import Glibc
internal import Journal
internal import Synchronization

// The index: `index.sqlite`, version 1. Derived from `attr.json` and the journal; may be deleted at any time.
//
//   meta        key → value: appliance, epoch, generation, applied_lsn, tombstone_floor, state
//   files       one row a document; `seq` is the order of the listing, `json` exactly what the API returns
//   tombstones  documents removed for good, for the feed
//   totals      files and bytes by status
//   buckets     the digest: 256 sums modulo 2^128
//
// Beside it `reserve`, blocks that are given up when the disk is full, and `index.sqlite.damaged` while the file is not
// to be used: it is replaced, while the store runs or by the next start (decision 0100).
//
// One writer at a time, the indexer or whoever cannot wait for it, under `writer`'s lock; many readers in snapshots of
// their own. Changes enter some hundreds at a time; until then they wait in memory, where every reader finds them.
// `synchronous=NORMAL`: a power cut may lose the newest transactions, never the order; `applied_lsn` says
// from where the journal must be replayed.

/// A document's row.
struct IndexRow: Sendable, Hashable {
  var id: FileID
  var lsn: UInt64
  var status: Int
  var size: Int
  var uploadedAt: Timestamp
  var expiresAt: Timestamp?
  /// When its last change was made.
  var changedAt: Timestamp
  var path: String
  var json: [UInt8]
}

/// What one journal record does to the index.
enum IndexChange: Sendable {
  /// `isNew`: known not to be there, so that nothing is looked up.
  case upsert(IndexRow, isNew: Bool)
  case remove(FileID, lsn: UInt64, at: Timestamp)

  var id: FileID {
    switch self {
    case .upsert(let row, _): row.id
    case .remove(let id, _, _): id
    }
  }

  var lsn: UInt64 {
    switch self {
    case .upsert(let row, _): row.lsn
    case .remove(_, let lsn, _): lsn
    }
  }
}

/// What identifies an index as this store's.
struct IndexIdentity: Sendable, Hashable {
  let appliance: FileID
  let epoch: UInt64
}

final class Index: Sendable {
  static let version: Int64 = 1
  private static let readersMax = 8

  let path: String
  let writer: Mutex<IndexWriter>
  let readers = Mutex(Readers())
  /// Kept beside the writer so that nobody waits for a batch to see them.
  let published: Mutex<Published>
  let waiting = Mutex(WaitingChanges())
  /// Changes cannot be brought in.
  let trouble = Mutex<IndexTrouble?>(nil)
  /// Told when the index is to be replaced; closed at the end.
  let broken = BoundedQueue<Void>(limit: 1)
  /// How many changes may wait for a disk.
  let waitingBound = Atomic(Index.waitingBoundMax)
  /// Told when enough waits, or somebody waits for it; closed at the end.
  let wake = BoundedQueue<Void>(limit: 1)
  /// Readers that wait for the indexer.
  let expectant = Mutex<[CheckedContinuation<Void, Never>]>([])
  /// There is an indexer thread, or will be at once.
  let hasIndexer = Atomic(false)

  struct Published: Sendable {
    var appliedLSN: UInt64
    var tombstoneFloor: UInt64
    var state: IndexState
    var totals: IndexTotals
    /// New with every rebuild; part of each position.
    var generation: UInt64
  }

  struct Readers {
    var idle: [Reader] = []
    /// Grows when the file is replaced: connections to the old one are not kept.
    var era = 0
  }

  /// A connection for reading, handed from thread to thread under `readers`' lock.
  struct Reader: @unchecked Sendable {  // only its current borrower, who took it out of the pool, uses it
    let connection: SQLiteConnection
  }

  /// Opens an index; nil when there is none that can be used (missing, damaged, other version, of another store):
  /// `create` then makes a new one. Throws when it only cannot be opened now, for want of room first of all.
  static func open(_ directory: String, identity: IndexIdentity) throws(SQLiteError) -> Index? {
    do throws(SQLiteError) {
      return try openOnce(directory, identity: identity)
    } catch {
      guard releaseReserve(in: directory) else { throw error }
      return try openOnce(directory, identity: identity)
    }
  }

  private static func openOnce(_ directory: String, identity: IndexIdentity) throws(SQLiteError) -> Index? {
    let path = file(in: directory)
    // Found damaged while it was used, or never made.
    if access(path + damageSuffix, F_OK) == 0 || access(path, F_OK) != 0 { return nil }
    do throws(SQLiteError) {
      let connection = try SQLiteConnection(path)
      try configure(connection)
      let versions = try connection.statement("PRAGMA user_version")
      guard try versions.step(), versions.integer(0) == version else { return nil }
      versions.reset()
      let writer = try IndexWriter(connection)
      guard writer.identity == identity, writer.isComplete else { return nil }
      // Its log cannot be written without its shared memory, and that not without room: better met here than later.
      try writer.touch()
      return Index(path, writer: writer, state: .ready)
    } catch {
      if error.isPassing { throw error }
      return nil
    }
  }

  /// Makes an empty index. `isComplete` false: documents exist and a rebuild follows.
  static func create(
    _ directory: String, identity: IndexIdentity, generation: UInt64, isComplete: Bool
  ) throws(SQLiteError) -> Index {
    let writer = try make(directory, identity: identity, generation: generation, isComplete: isComplete, through: 0)
    return Index(file(in: directory), writer: writer, state: isComplete ? .ready : .rebuilding(files: 0))
  }

  static func make(
    _ directory: String, identity: IndexIdentity, generation: UInt64, isComplete: Bool = false, through lsn: UInt64
  ) throws(SQLiteError) -> IndexWriter {
    let connection = try SQLiteConnection(file(in: directory))
    try configure(connection)
    try connection.transaction { () throws(SQLiteError) in
      try connection.execute(schema)
      try IndexWriter.initialise(
        connection, identity: identity, generation: generation, isComplete: isComplete, through: lsn)
      try connection.execute("PRAGMA user_version = \(version)")
    }
    return try IndexWriter(connection)
  }

  static let damageSuffix = ".damaged"
  static let name = "index.sqlite"

  static func file(in directory: String) -> String { "\(directory)/\(name)" }

  /// Removes an index's files, its log included. SQLite's own files never pass through `Disk`.
  static func removeFiles(in directory: String) throws(SQLiteError) {
    // The mark last: until then the files are not to be used.
    for suffix in ["", "-wal", "-shm", damageSuffix] {
      let name = file(in: directory) + suffix
      guard unlink(name) == 0 || errno == ENOENT else {
        throw SQLiteError(attempt: "remove \(name)", code: 10, message: "error \(errno)")
      }
    }
  }

  private init(_ path: String, writer: sending IndexWriter, state: IndexState) {
    self.path = path
    published = Mutex(
      Published(
        appliedLSN: writer.appliedLSN, tombstoneFloor: writer.tombstoneFloor, state: state, totals: writer.totals,
        generation: writer.generation))
    self.writer = Mutex(writer)
  }

  private static func configure(_ connection: SQLiteConnection) throws(SQLiteError) {
    try connection.execute(
      """
      PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -16384;
      PRAGMA wal_autocheckpoint = 2000; PRAGMA journal_size_limit = 8388608; PRAGMA temp_store = MEMORY;
      """)
  }

  /// Every reader sees everything up to here.
  var appliedLSN: UInt64 { max(settledLSN, waiting.withLock { $0.through }) }
  /// Everything up to here is in SQLite.
  var settledLSN: UInt64 { published.withLock { $0.appliedLSN } }

  /// As everything visible makes it.
  var snapshot: Published {
    // What cannot be brought in has made the index fail, which the state tells.
    try? settle()  // see the line above
    return settledSnapshot
  }

  /// As what is in SQLite makes it.
  var settledSnapshot: Published { published.withLock { $0 } }

  /// Bytes of all documents; of those that wait only the new ones count, which is never less than there is.
  var usedBytes: Int {
    let settled = published.withLock { $0.totals.counts.reduce(0) { $0 + $1.bytes } }
    return settled + waiting.withLock { $0.newBytes }
  }
  var state: IndexState { published.withLock { $0.state } }
  /// New with every rebuild; part of each position.
  var generation: UInt64 { published.withLock { $0.generation } }

  func publish(_ state: IndexState) { published.withLock { $0.state = state } }

  /// When there is no room: moving SQLite's log into its file may free what the log took; else the reserve is given up.
  func applyOrShrink(_ changes: [IndexChange], through lsn: UInt64, _ writer: IndexWriter) throws(SQLiteError) {
    do throws(SQLiteError) {
      try writer.apply(changes, through: lsn)
    } catch {
      guard error.isFull else { throw error }
      do throws(SQLiteError) {
        try writer.shrink()
        try writer.apply(changes, through: lsn)
      } catch {
        guard error.isFull, Self.releaseReserve(in: directory) else { throw error }
        try writer.apply(changes, through: lsn)
      }
    }
  }

  func publish(_ writer: IndexWriter) {
    let (lsn, floor, totals) = (writer.appliedLSN, writer.tombstoneFloor, writer.totals)
    published.withLock {
      $0.appliedLSN = max($0.appliedLSN, lsn)
      $0.tombstoneFloor = floor
      $0.totals = totals
    }
  }

  /// Leaves one whole database file behind; for the store's close.
  func close() {
    readers.withLock { $0.idle = [] }
    // What cannot be brought in comes from the journal at the next start, what cannot be moved from SQLite's log.
    try? writer.withLock { (writer) throws(SQLiteError) in  // see the line above
      try settle(writer)
      try writer.shrink()
    }
  }

  /// Runs a transaction of the writer's that is not a change of history (scrub marks, rebuild). What fails for want of
  /// room only, its caller tries again.
  func write<Result: Sendable>(
    _ body: (IndexWriter) throws(SQLiteError) -> Result
  ) throws(SQLiteError) -> Result {
    try writer.withLock { (writer) throws(SQLiteError) in
      try settle(writer)
      let result: Result
      do throws(SQLiteError) {
        result = try body(writer)
      } catch {
        if !error.isPassing { condemn(error) }
        throw error
      }
      publish(writer)
      return result
    }
  }

  /// Reads in one snapshot of everything visible, on the caller's thread.
  func read<Result>(_ body: (SQLiteConnection) throws(SQLiteError) -> Result) throws(SQLiteError) -> Result {
    try settle()
    return try readSettled(body)
  }

  /// Reads what is in SQLite: for who has looked at what waits.
  func readSettled<Result>(_ body: (SQLiteConnection) throws(SQLiteError) -> Result) throws(SQLiteError) -> Result {
    // What lies there may be wrong.
    if case .broken(let error) = trouble.withLock({ $0 }) { throw error }
    let (pooled, era) = readers.withLock { ($0.idle.popLast(), $0.era) }
    let reader: Reader
    if let pooled {
      reader = pooled
    } else {
      reader = Reader(connection: try SQLiteConnection(path, readOnly: true))
      // The sandbox has no place for temporary files.
      try reader.connection.execute(
        "PRAGMA cache_size = -2048; PRAGMA mmap_size = 1073741824; PRAGMA temp_store = MEMORY")
    }
    let result: Result
    do throws(SQLiteError) {
      result = try reader.connection.transaction("DEFERRED") { () throws(SQLiteError) in
        try body(reader.connection)
      }
    } catch {
      if error.isDistrust { condemn(error) }
      throw error
    }
    readers.withLock { if $0.era == era, $0.idle.count < Self.readersMax { $0.idle.append(reader) } }
    return result
  }

  private static let schema = """
    CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
    CREATE TABLE files (
      seq INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, lsn INTEGER NOT NULL, status INTEGER NOT NULL,
      size INTEGER NOT NULL, uploaded_at INTEGER NOT NULL, expires_at INTEGER, changed_at INTEGER NOT NULL,
      digest_high INTEGER NOT NULL, digest_low INTEGER NOT NULL, path TEXT NOT NULL, json BLOB NOT NULL);
    CREATE INDEX files_lsn ON files (lsn);
    CREATE INDEX files_expiry ON files (expires_at) WHERE status = 0 AND expires_at IS NOT NULL;
    CREATE INDEX files_gone ON files (status, seq) WHERE status <> 0;
    CREATE TABLE tombstones (lsn INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, at INTEGER NOT NULL);
    CREATE TABLE totals (status INTEGER PRIMARY KEY, files INTEGER NOT NULL, bytes INTEGER NOT NULL);
    CREATE TABLE buckets (bucket INTEGER PRIMARY KEY, high INTEGER NOT NULL, low INTEGER NOT NULL);
    CREATE TABLE problems (id BLOB PRIMARY KEY, kind TEXT NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID;
    """
}
