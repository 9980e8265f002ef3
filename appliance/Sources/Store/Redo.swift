internal import Core
internal import Disk
internal import Journal
internal import StorageAPI

/// Replays the journal at the start: the tree after the checkpoint, the index after what it has. Each file gets its
/// final state; small documents are rewritten rather than trusted. Doing it twice gives the same. From where the disk
/// is full the rest is left to `Placements`, as if it had just been acknowledged: a store that has no room serves what
/// it holds, and goes on when there is some.
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
  /// What found no room, oldest first, with all that came after it.
  private(set) var deferred: [Placements.Work] = []
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
    flush(through: recovery.lastLSN)
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
    if deferred.isEmpty {
      do throws(DiskError) { return try placeNow(mutation, lsn) } catch { if !error.isFull { throw error } }
    }
    if let work = try work(mutation, lsn) { deferred.append(work) }
  }

  private mutating func placeNow(_ mutation: Mutation, _ lsn: UInt64) throws(DiskError) {
    let end = final[mutation.id]
    switch mutation.change {
    case .put(let path, let body, let attributes):
      guard end?.isRemoved == false else { return try forget(body) }
      switch body {
      case .inline(let bytes): try tree.rewrite(Array(bytes), at: path)
      case .staged(let name): if try !tree.moveAgain(staged: name, to: path) { missing.append(mutation.id) }
      }
      summary.documents += 1
      if end?.lsn == lsn { try tree.restoreAttributes(Array(attributes), at: path, wereReplaced: false) }
    case .attributes(let path, let attributes):
      guard end?.lsn == lsn, end?.isRemoved == false else { return }
      try tree.restoreAttributes(Array(attributes), at: path, wereReplaced: true)
    case .purge(let path): try tree.removeAgain(path)
    case .mode, .note: break
    }
  }

  /// What was staged for a document that was removed.
  private func forget(_ body: Mutation.Body) throws(DiskError) {
    if case .staged(let name) = body { try tree.removeIfThere("staging/\(name)") }
  }

  /// The same for later.
  private mutating func work(_ mutation: Mutation, _ lsn: UInt64) throws(DiskError) -> Placements.Work? {
    let end = final[mutation.id]
    let (path, kind): (String, Placements.Work.Kind)
    switch mutation.change {
    case .put(let place, let body, let attributes):
      guard end?.isRemoved == false else {
        try forget(body)
        return nil
      }
      path = place
      switch body {
      case .inline(let bytes): kind = .document(Array(bytes), attributes: Array(attributes))
      case .staged(let name):
        let isStaged = try tree.disk.stat("\(tree.staging)/\(name)") != nil
        let isPlaced = try tree.disk.stat(tree.absolute(path)) != nil
        guard isStaged || isPlaced else {
          missing.append(mutation.id)
          return nil
        }
        kind = .staged(name, attributes: Array(attributes))
      }
    case .attributes(let place, let attributes):
      guard end?.lsn == lsn, end?.isRemoved == false else { return nil }
      (path, kind) = (place, .attributes(Array(attributes)))
    case .purge(let place): (path, kind) = (place, .removal)
    case .mode, .note: return nil
    }
    return Placements.Work(lsn: lsn, id: mutation.id, path: path, kind: kind, isRedone: true)
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
    if changes.count >= Self.changesMax { flush(through: lsn) }
  }

  private mutating func flush(through lsn: UInt64) {
    guard !changes.isEmpty || index.appliedLSN < lsn else { return }
    index.take(changes, through: lsn)
    changes = []
  }
}
