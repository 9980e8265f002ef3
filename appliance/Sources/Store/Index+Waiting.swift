internal import Core
internal import Journal
internal import Synchronization

/// Changes that are durable in the journal and answered, and not yet in SQLite (decision 0070). Whoever reads the index
/// brings them in first, or looks here before; so nobody sees the difference.
struct WaitingChanges {
  private(set) var changes: [IndexChange] = []
  /// The newest of each document.
  private var latest: [FileID: (change: IndexChange, lsn: UInt64)] = [:]
  /// Everything up to here is in `changes` or in SQLite.
  private(set) var through: UInt64 = 0
  /// Bytes of the documents that are new.
  private(set) var newBytes = 0

  subscript(id: FileID) -> IndexChange? { latest[id]?.change }

  mutating func add(_ more: [IndexChange], through lsn: UInt64) {
    changes += more
    for change in more {
      latest[change.id] = (change, change.lsn)
      newBytes += change.newBytes
    }
    through = max(through, lsn)
  }

  /// The oldest, `count` at most, and what SQLite holds everything up to once they are in.
  func next(_ count: Int) -> (changes: [IndexChange], through: UInt64) {
    guard changes.count > count else { return (changes, through) }
    return (Array(changes.prefix(count)), changes[count - 1].lsn)
  }

  /// The first `count` are in SQLite now, and with them everything up to `lsn`.
  mutating func settled(_ count: Int, through lsn: UInt64) {
    for change in changes.prefix(count) {
      newBytes -= change.newBytes
      if let newest = latest[change.id], newest.lsn <= lsn { latest[change.id] = nil }
    }
    changes.removeFirst(count)
  }
}

extension IndexChange {
  fileprivate var newBytes: Int {
    if case .upsert(let row, true) = self { row.size } else { 0 }
  }
}

/// What is known about a document without SQLite.
enum WaitingRow {
  case row(IndexRow)
  case removed
  case unknown
}

extension Index {
  /// From this many on they are worth a transaction of their own.
  private static let settleCount = 512
  /// So many make who adds more bring them in himself.
  private static let waitingMax = 4096

  /// Takes over a durable batch's changes, visible to every reader from now on; they enter SQLite with many others.
  func add(_ changes: [IndexChange], through lsn: UInt64) {
    let count = waiting.withLock { waiting in
      waiting.add(changes, through: lsn)
      return waiting.changes.count
    }
    // The indexer tries again when it is time.
    guard trouble.withLock({ $0 }) == nil else { return }
    if count >= Self.waitingMax {
      try? settle()  // what cannot be brought in goes on waiting, and `trouble` says why
    } else if count >= Self.settleCount {
      do throws(BoundedQueue<Void>.Refusal) { try wake.put(()) } catch { /* awake already, or closing */  }
    }
  }

  /// As `add`, and brings it in when that is possible: for a start, before anybody reads.
  func take(_ changes: [IndexChange], through lsn: UInt64) {
    waiting.withLock { $0.add(changes, through: lsn) }
    try? settle(isRetry: true)  // what cannot be brought in goes on waiting
  }

  /// The indexer thread: until `wake` is closed. `settled` is called after each transaction.
  func run(settled: () -> Void) {
    while wake.take(upTo: 1, timeout: .seconds(1)) != nil {
      guard serve() else { continue }
      settled()
      Self.keepReserve(in: directory)
    }
    _ = serve()
  }

  /// Suspends until everything that waits now is in SQLite. The indexer does it: no event loop stands in a transaction.
  func settled() async throws(SQLiteError) {
    guard waiting.withLock({ $0.through }) > settledLSN else { return }
    if let trouble = trouble.withLock({ $0 }) { throw trouble.error }
    guard hasIndexer.load(ordering: .relaxed) else { return try settle() }
    await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
      expectant.withLock { $0.append(continuation) }
      do throws(BoundedQueue<Void>.Refusal) { try wake.put(()) } catch { if error == .closed { _ = serve() } }
    }
    if let trouble = trouble.withLock({ $0 }) { throw trouble.error }
  }

  /// Brings in what waits, for all who wait for it. A failure is kept as `trouble`, and met by who reads next.
  private func serve() -> Bool {
    let readers = expectant.withLock { readers in
      defer { readers = [] }
      return readers
    }
    defer { for reader in readers { reader.resume() } }
    do throws(SQLiteError) { try settle(isRetry: true) } catch { return false }
    return true
  }

  /// Brings everything that waits into SQLite. While it is stalled only a retry tries: a transaction that meets a full
  /// disk costs more than one that does not.
  func settle(isRetry: Bool = false) throws(SQLiteError) {
    guard waiting.withLock({ $0.through }) > settledLSN else { return }
    try writer.withLock { (writer) throws(SQLiteError) in try settle(writer, isRetry: isRetry) }
  }

  func settle(_ writer: IndexWriter, isRetry: Bool = false) throws(SQLiteError) {
    switch trouble.withLock({ $0 }) {
    case .broken(let error): throw error
    case .stalled(let error): if !isRetry { throw error }
    case nil: break
    }
    while true {
      let (changes, lsn) = waiting.withLock { $0.next(Self.waitingMax) }
      guard lsn > writer.appliedLSN else { break }
      do throws(SQLiteError) {
        try applyOrShrink(changes, through: lsn, writer)
      } catch {
        met(error)
        throw error
      }
      publish(writer)
      // Until here they were found in memory.
      waiting.withLock { $0.settled(changes.count, through: lsn) }
    }
    trouble.withLock { if case .stalled = $0 { $0 = nil } }
  }

  /// What waits of one document.
  func waitingRow(_ id: FileID) -> WaitingRow {
    switch waiting.withLock({ $0[id] }) {
    case .upsert(let row, _): .row(row)
    case .remove: .removed
    case nil: .unknown
    }
  }
}
