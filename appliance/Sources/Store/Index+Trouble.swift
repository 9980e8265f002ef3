internal import Core
internal import Glibc
internal import Journal
internal import Synchronization

/// Why changes cannot enter SQLite now. They wait in memory either way; the journal has them.
enum IndexTrouble: Sendable {
  /// No room on its disk, or nothing wrong with its bytes: the indexer tries again until it goes well.
  case stalled(SQLiteError)
  /// Bytes that SQLite did not write, or a call of the disk that failed: what lies there is not trusted any more. It is
  /// set aside, and a new index made from the attributes.
  case broken(SQLiteError)

  var error: SQLiteError {
    switch self {
    case .stalled(let error), .broken(let error): error
    }
  }
}

// What becomes of the index when its disk does not do what it should (decision 0100).
extension Index {
  /// So many may wait for a disk; then changes are refused.
  static let waitingBoundMax = 16_384

  var isStalled: Bool { if case .stalled = trouble.withLock({ $0 }) { true } else { false } }
  var isBroken: Bool { if case .broken = trouble.withLock({ $0 }) { true } else { false } }

  /// No more changes may be decided: they cannot enter SQLite, and memory is not to hold them without end.
  var isBehind: Bool {
    guard trouble.withLock({ $0 }) != nil || state != .ready else { return false }
    return waiting.withLock { $0.changes.count } >= waitingBound.load(ordering: .relaxed)
  }

  /// Changes could not be brought in.
  func met(_ error: SQLiteError) {
    guard error.isPassing else { return condemn(error) }
    trouble.withLock { if $0 == nil { $0 = .stalled(error) } }
  }

  /// What is served from here on could be wrong: nothing is, until the rebuild's thread has made a new one.
  func condemn(_ error: SQLiteError) {
    let isNew = trouble.withLock { trouble in
      if case .broken = trouble { return false }
      trouble = .broken(error)
      return true
    }
    guard isNew else { return }
    publish(.failed(reason: "\(error); it is set aside, and rebuilt from the attributes"))
    // Failing that, the next start finds the damage again when it meets it.
    let mark = creat(path + Self.damageSuffix, 0o600)
    if mark >= 0 { Glibc.close(mark) }
    do throws(BoundedQueue<Void>.Refusal) { try broken.put(()) } catch { /* told already, or closing */  }
  }

  var directory: String { String(path.dropLast(Self.name.utf8.count + 1)) }

  /// An empty index in place of the broken one, of another generation, which a rebuild fills. Everything up to
  /// `settledLSN` must be in the tree: the rebuild finds it there; what came later waits in memory, and enters.
  func renew(generation: UInt64) throws(SQLiteError) {
    try writer.withLock { (writer) throws(SQLiteError) in
      readers.withLock { readers in
        readers.idle = []
        readers.era += 1
      }
      try Self.removeFiles(in: directory)
      let lsn = settledLSN
      writer = try Self.make(directory, identity: writer.identity, generation: generation, through: lsn)
      let (floor, totals) = (writer.tombstoneFloor, writer.totals)
      published.withLock {
        $0 = Published(
          appliedLSN: lsn, tombstoneFloor: floor, state: .rebuilding(files: 0), totals: totals, generation: generation)
      }
      trouble.withLock { $0 = nil }
    }
  }

  // MARK: Room for a start

  /// Blocks of its own on the index's disk, given up when that is full: SQLite needs some to open its files, and to
  /// note that documents were removed.
  private static func reserve(in directory: String) -> String { "\(directory)/reserve" }
  private static let reserveBytes = 4 << 20

  /// Gives the reserve up; false when there is none.
  static func releaseReserve(in directory: String) -> Bool { unlink(reserve(in: directory)) == 0 }

  /// Makes it (anew) where there is plenty of room.
  static func keepReserve(in directory: String) {
    let path = reserve(in: directory)
    var space = statvfs()
    guard access(path, F_OK) != 0, statvfs(directory, &space) == 0,
      UInt64(space.f_bavail) * UInt64(space.f_frsize) > 8 * UInt64(reserveBytes)
    else { return }
    let file = creat(path, 0o600)
    guard file >= 0 else { return }
    defer { Glibc.close(file) }
    // One without its blocks would only look like one.
    if posix_fallocate(file, 0, off_t(reserveBytes)) != 0 { unlink(path) }
  }
}
