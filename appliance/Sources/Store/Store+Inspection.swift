public import Core
public import Disk
public import HTTP
public import StorageAPI
internal import Synchronization

// What Upkeep looks at and repairs.

/// A document as the index knows it.
public struct IndexedDocument: Sendable {
  /// Its place in the order of uploads.
  public let sequence: Int64
  public let record: FileRecord
  /// Below the data directory.
  public let path: String
  public let lsn: UInt64
  /// In place: not waiting in memory.
  public let isPlaced: Bool
  /// The index's row could be read. When it could not, `record` is from the attributes.
  public let isRowReadable: Bool
}

extension Store {
  public var disk: any Disk { shared.tree.disk }

  /// A path below the data directory, absolute.
  public func absolute(_ path: String) -> String { shared.tree.absolute(path) }

  /// The path of a document's attributes.
  public static func attributesPath(of path: String) -> String { StoredName.attributes(of: path) }

  /// Documents after a place in the order of uploads. Blocks.
  public func documents(after sequence: Int64, limit: Int) throws(APIError) -> [IndexedDocument] {
    guard shared.index.state == .ready else { throw .rebuilding }
    let rows = try reading { (index) throws(SQLiteError) in try index.rows(after: sequence, limit: limit) }
    // Asked before the rows' files are looked at: what waits now may be in place a moment later, never the reverse.
    let placed = shared.placements.placedThrough
    var found: [IndexedDocument] = []
    for (sequence, row) in rows {
      let isPlaced = row.lsn <= placed
      if let record = try? row.record() {  // a row that cannot be read is taken from its attributes, and then mended
        found.append(
          IndexedDocument(
            sequence: sequence, record: record, path: row.path, lsn: row.lsn, isPlaced: isPlaced, isRowReadable: true))
      } else if let attributes = readAttributes(of: row.path), attributes.record.fileID == row.id {
        found.append(
          IndexedDocument(
            sequence: sequence, record: attributes.record, path: row.path, lsn: row.lsn, isPlaced: isPlaced,
            isRowReadable: false))
      } else {
        _ = try row.record()
      }
    }
    return found
  }

  /// A document's attributes from beside it; nil when they are missing or damaged. Blocks.
  public func readAttributes(of path: String) -> Attributes? {
    let file = absolute(StoredName.attributes(of: path))
    let bytes = try? disk.contents(file, limit: 65_536)  // unreadable counts as damaged
    return bytes.flatMap { $0 }.flatMap { try? Attributes($0) }  // what cannot be parsed is damaged too
  }

  /// The LSN of a document's last change; nil when the index knows none. Blocks.
  public func lastChange(of id: FileID) throws(APIError) -> UInt64? { try shared.index.knownRow(id)?.lsn }

  /// One document; nil when the index knows none. Blocks.
  public func document(_ id: FileID) throws(APIError) -> IndexedDocument? {
    guard let row = try shared.index.knownRow(id) else { return nil }
    return IndexedDocument(
      sequence: 0, record: try row.record(), path: row.path, lsn: row.lsn,
      isPlaced: row.lsn <= shared.placements.placedThrough, isRowReadable: true)
  }

  /// Commits attributes that reconcile found or restored, as a new change. `NOT_FOUND` when the store knows better.
  public func repair(_ attributes: Attributes, by actor: Actor) async throws(APIError) -> Committed {
    try await committed(.repair(attributes), actor)
  }

  /// Marks a document as damaged (it is not served any more) or, with nil, as sound. Blocks.
  public func mark(_ id: FileID, _ problem: String?) throws(APIError) {
    let now = shared.time.now()
    // Not served from now on, whatever becomes of the index.
    if problem != nil { problems.withLock { $0[id] = problem } }
    do throws(SQLiteError) {
      try shared.index.write { (writer) throws(SQLiteError) in try writer.mark(id, problem, at: now) }
    } catch {
      throw APIError(.internalError, "the index cannot be written", cause: error)
    }
    problems.withLock { $0[id] = problem }
    // What was made of it may hold a file that has been replaced.
    shared.prepared.forget([id])
  }

  /// The documents marked as damaged.
  public var damaged: [FileID: String] { problems.withLock { $0 } }

  /// Sets a file aside in `quarantine/`, under its own name, numbered when that is taken; where it went, below the data
  /// directory. Blocks.
  public func quarantine(_ path: String) throws(DiskError) -> String {
    let name = path.split(separator: "/").last.map(String.init) ?? "unnamed"
    var target = "quarantine/\(name)"
    var number = 2
    while try disk.stat(absolute(target)) != nil {
      target = "quarantine/\(number)-\(name)"
      number += 1
    }
    try disk.rename(absolute(path), to: absolute(target))
    try disk.syncDirectory(absolute("quarantine"), .quarantineName)
    return target
  }

  /// A document's attributes as its row has them.
  public func attributes(of document: IndexedDocument) -> Attributes {
    Attributes(record: document.record, path: document.path, epoch: shared.epoch, lsn: document.lsn)
  }

  /// New with every rebuild of the index: places in the order of uploads mean nothing in another one.
  public var indexGeneration: UInt64 { shared.index.generation }

  /// The time of the newest change; a clock that shows less went backwards.
  public var newestChange: Timestamp { shared.status.current.newestChange }

  /// Forgets tombstones older than the configured days. Blocks.
  public func pruneTombstones(now: Timestamp) throws(APIError) {
    let before = now - .seconds(configuration.tombstoneDays * 86_400)
    do throws(SQLiteError) {
      try shared.index.write { (writer) throws(SQLiteError) in try writer.pruneTombstones(before: before) }
    } catch {
      throw APIError(.internalError, "the index cannot be written", cause: error)
    }
  }
}
