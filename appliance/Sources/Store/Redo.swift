internal import Core
internal import Disk
internal import Journal
internal import StorageAPI

/// Replays the journal at the start: the tree after the checkpoint, the index after what it has. Each file gets its
/// final state; small documents are rewritten rather than trusted. Doing it twice gives the same.
struct Redo {
  let recovery: JournalRecovery
  let tree: DocumentTree
  let index: Index
  /// Everything up to here is in place and durable.
  let checkpoint: UInt64
  private(set) var summary = RecoverySummary()
  /// The mode as the last record says.
  private(set) var mode: ApplianceMode?
  /// Large documents that neither staging nor the tree holds: damage that reconcile reports.
  private(set) var missing: [FileID] = []
  private(set) var newestChange = Timestamp(microseconds: 0)
  private var final: [FileID: (lsn: UInt64, isRemoved: Bool)] = [:]
  private var changes: [IndexChange] = []

  private static let changesMax = 2000

  init(recovery: JournalRecovery, tree: DocumentTree, index: Index, checkpoint: UInt64) {
    self.recovery = recovery
    self.tree = tree
    self.index = index
    self.checkpoint = checkpoint
  }

  mutating func run() throws(StoreError) {
    try each(after: checkpoint) { (redo, mutation, lsn) throws(StoreError) in
      redo.newestChange = max(redo.newestChange, mutation.time)
      switch mutation.change {
      case .put, .attributes: redo.final[mutation.id] = (lsn, false)
      case .purge: redo.final[mutation.id] = (lsn, true)
      case .mode(_, let current): redo.mode = current
      case .note: break
      }
    }
    let applied = index.appliedLSN
    try each(after: min(checkpoint, applied)) { (redo, mutation, lsn) throws(StoreError) in
      if lsn > redo.checkpoint {
        do throws(DiskError) { try redo.place(mutation, lsn) } catch { throw .disk(error) }
        redo.summary.records += 1
      }
      if lsn > applied { try redo.collect(mutation, lsn) }
    }
    try flush(through: recovery.lastLSN)
    guard summary.records > 0 else { return }
    do throws(DiskError) {
      try tree.sync(.treeRedone)
      try tree.disk.reached(.recoveryRedone)
    } catch {
      throw .disk(error)
    }
  }

  private mutating func each(
    after lsn: UInt64, _ body: (inout Redo, Mutation, UInt64) throws(StoreError) -> Void
  ) throws(StoreError) {
    do throws(JournalReadError<StoreError>) {
      try recovery.read(after: lsn) { (record) throws(StoreError) in
        guard record.type.rawValue >= RecordType.put.rawValue else { return }
        guard let mutation = Mutation(record) else {
          throw .invalid("the journal's record \(record.lsn) is whole but cannot be read by this version")
        }
        try body(&self, mutation, record.lsn)
      }
    } catch {
      switch error {
      case .journal(let error): throw .journal(error)
      case .visitor(let error): throw error
      }
    }
  }

  private mutating func place(_ mutation: Mutation, _ lsn: UInt64) throws(DiskError) {
    let end = final[mutation.id]
    switch mutation.change {
    case .put(let path, let body, let attributes):
      guard end?.isRemoved == false else {
        if case .staged(let name) = body { try tree.removeIfThere("staging/\(name)") }
        return
      }
      switch body {
      case .inline(let bytes): try tree.rewrite(Array(bytes), at: path)
      case .staged(let name): try move(name, to: path, id: mutation.id)
      }
      summary.documents += 1
      if end?.lsn == lsn { try tree.restoreAttributes(Array(attributes), at: path) }
    case .attributes(let path, let attributes):
      if end?.lsn == lsn, end?.isRemoved == false {
        try tree.restoreAttributes(Array(attributes), at: path)
      }
    case .purge(let path): try tree.remove(path)
    case .mode, .note: break
    }
  }

  /// The body was durable in staging before its record was written; the rename may or may not have survived. One
  /// that shows is not trusted: a sync that failed in the last life may have dropped it, and no later sync would
  /// write it. So it is done again, there and back.
  private mutating func move(_ name: String, to path: String, id: FileID) throws(DiskError) {
    let staged = "\(tree.staging)/\(name)"
    let placed = tree.absolute(path)
    if try tree.disk.stat(staged) == nil {
      guard try tree.disk.stat(placed) != nil else {
        missing.append(id)
        return
      }
      try tree.disk.rename(placed, to: staged)
    }
    try tree.makeParent(of: path)
    try tree.disk.rename(staged, to: placed)
  }

  private mutating func collect(_ mutation: Mutation, _ lsn: UInt64) throws(StoreError) {
    switch mutation.change {
    case .put(_, _, let bytes), .attributes(_, let bytes):
      let attributes: Attributes
      do { attributes = try Attributes(bytes) } catch {
        throw .invalid("the journal's record \(lsn) holds attributes that cannot be read: \(JSON.explain(error))")
      }
      let row = IndexRow(
        attributes.record, json: attributes.record.json, path: attributes.path, lsn: lsn, changedAt: mutation.time)
      changes.append(.upsert(row, isNew: false))
    case .purge: changes.append(.remove(mutation.id, lsn: lsn, at: mutation.time))
    case .mode, .note: break
    }
    if changes.count >= Self.changesMax { try flush(through: lsn) }
  }

  private mutating func flush(through lsn: UInt64) throws(StoreError) {
    guard !changes.isEmpty || index.appliedLSN < lsn else { return }
    do throws(SQLiteError) { try index.apply(changes, through: lsn) } catch { throw .index(error.description) }
    changes = []
  }
}
