public import Core
internal import Disk
public import HTTP
internal import Journal
public import StorageAPI
internal import Synchronization

extension Store {
  /// The record, whatever its status; nil when there is none.
  public func record(_ id: FileID) throws(APIError) -> FileRecord? {
    guard let row = try shared.index.knownRow(id) else { return nil }
    return try row.record()
  }

  /// The record as the API returns it; nil when there is none.
  public func recordJSON(_ id: FileID) throws(APIError) -> [UInt8]? { try shared.index.knownRow(id)?.json }

  /// Opens an active document. `NOT_FOUND` (also for expired and deleted ones), `MODE_NOT_ALLOWED` in `ar`.
  public func open(_ id: FileID) throws(APIError) -> StoredDocument {
    guard mode.allows(.download) else { throw .notAllowed(.download, in: mode) }
    // The index first: once a row is seen, its bytes are in memory or in place.
    guard let row = try shared.index.knownRow(id), row.status == FileStatus.active.number else {
      throw .noDocument(id)
    }
    if let problem = problems.withLock({ $0[id] }) {
      throw APIError(
        .internalError, "the document \(id) is damaged (\(problem)); the storage's operator has to look at it")
    }
    let record = try row.record()
    if let bytes = shared.placements.body(id) { return StoredDocument(record: record, body: .bytes(bytes)) }
    do throws(DiskError) {
      let file = try openInPlace(id, row.path)
      guard try file.size() == record.size else {
        throw DiskError("read (the size is not the recorded one)", row.path, code: 5)
      }
      return StoredDocument(record: record, body: .file(file))
    } catch {
      throw APIError(
        .internalError, "the document \(id) cannot be read; the storage's operator has to look at it", cause: error)
    }
  }

  private func openInPlace(_ id: FileID, _ path: String) throws(DiskError) -> any DiskFile {
    if let name = shared.placements.stagedName(id) {
      do throws(DiskError) {
        return try shared.tree.disk.open("\(shared.tree.staging)/\(name)", .read)
      } catch {
        // Moved a moment ago.
        if !error.isMissing { throw error }
      }
    }
    return try shared.tree.disk.open(shared.tree.absolute(path), .read)
  }

  /// A page of records. `VALIDATION_ERROR`, `CURSOR_EXPIRED`; `OVERLOADED` while the index is being rebuilt.
  public func list(_ query: ListQuery) async throws(APIError) -> ListPage {
    guard (1...1000).contains(query.limit) else { throw RecordValidation.refuse("limit", "must be 1 to 1000") }
    guard query.offset >= 0 else { throw RecordValidation.refuse("offset", "must not be negative") }
    try requireIndex()
    var seq: Int64 = 0
    if let cursor = query.cursor { seq = try place(of: cursor) }
    let offset = query.cursor == nil ? query.offset : 0
    try await settle()
    // Read before the page: whatever the page shows, this store had come that far.
    let applied = shared.index.settledLSN
    let page = try reading { (index) throws(SQLiteError) in
      try index.page(after: seq, offset: offset, limit: query.limit, status: query.status?.number)
    }
    let counts = shared.index.settledSnapshot.totals.counts
    let total = query.status.map { counts[$0.number].files } ?? counts.reduce(0) { $0 + $1.files }
    return ListPage(
      items: page.items, count: page.count, total: total, hasMore: page.hasMore,
      nextCursor: page.hasMore ? listCursor(page.last, at: applied) : nil)
  }

  /// What changed after a position (nil: from the beginning), in LSN order; waits up to `wait` for the first change.
  /// `CURSOR_EXPIRED`: take a full listing.
  public func changes(
    after position: Position?, limit: Int, wait: Duration
  ) async throws(APIError) -> ChangePage {
    guard (1...10_000).contains(limit) else { throw RecordValidation.refuse("limit", "must be 1 to 10000") }
    try requireIndex()
    if let position { try check(position) }
    let lsn = position?.lsn ?? 0
    try await settle()
    var page = try reading { (index) throws(SQLiteError) in try index.changes(after: lsn, limit: limit) }
    if page.count == 0, wait > .zero {
      await shared.feed.wait(after: max(lsn, page.last), timeout: min(wait, .seconds(60)))
      try await settle()
      page = try reading { (index) throws(SQLiteError) in try index.changes(after: lsn, limit: limit) }
    }
    let end = shared.position(page.last)
    var lines = page.lines
    FeedLine.close(cursor: end.cursor, more: page.hasMore, to: &lines)
    return ChangePage(lines: lines, count: page.count, position: end, hasMore: page.hasMore)
  }

  /// Records with ids after `after` (nil: from the lowest) up to `until`, in id order, with the position they stand
  /// for.
  public func range(after: FileID?, until: FileID?, limit: Int) async throws(APIError) -> ChangePage {
    guard (1...10_000).contains(limit) else { throw RecordValidation.refuse("limit", "must be 1 to 10000") }
    try requireIndex()
    try await settle()
    let page = try reading { (index) throws(SQLiteError) in
      try index.range(after: after, until: until ?? .highest, limit: limit)
    }
    let position = shared.position(page.applied)
    var lines = page.lines
    FeedLine.close(cursor: position.cursor, more: page.hasMore, to: &lines)
    return ChangePage(lines: lines, count: page.count, position: position, hasMore: page.hasMore)
  }

  /// The 256 bucket sums over the live rows.
  public func digest() async throws(APIError) -> Digest {
    try requireIndex()
    try await settle()
    let snapshot = shared.index.settledSnapshot
    return Digest(
      position: shared.position(snapshot.appliedLSN),
      buckets: snapshot.totals.buckets.map { sum in
        let digits = String(sum, radix: 16)
        return String(repeating: "0", count: 32 - digits.utf8.count) + digits
      })
  }

  /// Everything that was answered is read by what follows.
  private func settle() async throws(APIError) {
    do throws(SQLiteError) {
      try await shared.index.settled()
    } catch {
      throw shared.index.unreadable(error)
    }
  }

  private func requireIndex() throws(APIError) { if shared.index.state != .ready { throw .rebuilding } }
}

extension Store {
  /// A cursor counts only when this store gave it out and has not been put back behind it since: same epoch and
  /// generation, a known incarnation that had come that far, not beyond the end, not below the tombstones' floor.
  func check(_ position: Position) throws(APIError) {
    let floor = shared.index.settledSnapshot.tombstoneFloor
    guard isOwn(position), position.lsn >= floor || position.lsn == 0 else {
      throw APIError(.cursorExpired, "this cursor is not of this storage's present history; take a full listing")
    }
  }

  private func isOwn(_ position: Position) -> Bool {
    let starts = shared.incarnations
    guard position.epoch == shared.epoch, position.generation == shared.index.generation,
      position.lsn <= shared.index.appliedLSN,
      let place = starts.lastIndex(where: { $0.id == position.incarnation })
    else { return false }
    let end = place + 1 < starts.count ? starts[place + 1].firstLSN - 1 : UInt64.max
    return position.lsn <= end
  }

  /// Cursors of the listing: the position of when the page was read, then the place in the order of uploads. The
  /// place alone would also be one in a restored copy, for other documents.
  private func listCursor(_ seq: Int64, at lsn: UInt64) -> String {
    var writer = BinaryWriter()
    writer.uint64(UInt64(bitPattern: seq))
    return shared.position(lsn).cursor + Base64.url.encode(writer.bytes)
  }

  private func place(of cursor: String) throws(APIError) -> Int64 {
    guard cursor.utf8.count <= 64, let position = Position(cursor: String(cursor.prefix(48))),
      let bytes = Base64.url.decode(String(cursor.dropFirst(48))), bytes.count == 8
    else {
      throw RecordValidation.refuse("cursor", "not one of this listing's cursors; begin again without it")
    }
    guard isOwn(position) else {
      throw APIError(
        .cursorExpired, "this cursor is not of this storage's present history; begin again without it")
    }
    var reader = BinaryReader(bytes[...])
    return Int64(bitPattern: reader.uint64() ?? 0)
  }
}
