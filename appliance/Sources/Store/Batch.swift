internal import Core
internal import HTTP
internal import Journal
internal import StorageAPI

/// What one group commit has decided so far: the state that later commands of the same batch see, and what follows
/// once the journal is durable. Deciding changes nothing outside.
struct Batch {
  var mode: ApplianceMode
  /// Rows as this batch leaves them; nil: removed by it.
  var rows: [FileID: IndexRow?] = [:]
  var outcomes: [Outcome] = []
  var changes: [IndexChange] = []
  var works: [Placements.Work] = []
  /// Large documents to move into place before the answer.
  var moves: [Move] = []

  struct Move {
    let lsn: UInt64
    let id: FileID
    let name: String
    let path: String
    let attributes: [UInt8]
  }

  struct Outcome {
    let command: Command
    let lsn: UInt64
    let result: Result

    enum Result {
      case record(FileRecord, json: [UInt8])
      case transition(previous: ApplianceMode, current: ApplianceMode, at: Timestamp)
      case nothing
    }
  }
}

/// What the committer knows beside the batch.
struct CommitContext {
  let epoch: UInt64
  let now: Timestamp
  /// A document's row as committed.
  let row: (FileID) throws(APIError) -> IndexRow?
  /// Whether a tombstone says that the document was removed for good.
  let isRemoved: (FileID) throws(APIError) -> Bool
}

extension Batch {
  /// Decides one command and adds its record to the journal's open batch; its LSN.
  mutating func decide(_ command: Command, in context: CommitContext, journal: Journal) throws(APIError) -> UInt64 {
    switch command.action {
    case .put(let document): try put(document, command, context, journal)
    case .patch(let id, let patch): try self.patch(id, patch, command, context, journal)
    case .delete(let id): try delete(id, command, context, journal)
    case .expire(let id): try expire(id, command, context, journal)
    case .purge(let id, let before): try purge(id, before: before, command, context, journal)
    case .transition(let target, let confirm): try transition(target, confirm: confirm, command, context, journal)
    case .setMode(let target): set(target, command, context, journal)
    case .repair(let attributes): try repair(attributes, command, context, journal)
    case .note(let text): add(.note(text), .repair, command, context, journal, .nothing)
    case .checkpoint, .seal: preconditionFailure("the committer handles these itself")
    }
  }

  private func row(_ id: FileID, _ context: CommitContext) throws(APIError) -> IndexRow? {
    if let known = rows[id] { return known }
    return try context.row(id)
  }

  private func require(_ operation: ApplianceOperation) throws(APIError) {
    guard mode.allows(operation) else { throw .notAllowed(operation, in: mode) }
  }

  private mutating func put(
    _ document: PreparedDocument, _ command: Command, _ context: CommitContext, _ journal: Journal
  ) throws(APIError) -> UInt64 {
    try require(.upload)
    let record = document.record
    guard record.retentionPolicy == mode.retentionPolicy else { throw .notAllowed(.upload, in: mode) }
    if document.hasChosenID, try row(record.fileID, context) != nil {
      throw APIError(
        .conflict, "a document with file_id \(record.fileID) exists already; choose another id or read that one",
        details: ["file_id": .string(record.fileID.description)])
    }
    let lsn = journal.nextLSN
    let attributes = Attributes.encode(json: document.json, path: document.path, epoch: context.epoch, lsn: lsn)
    let body: Mutation.Body =
      switch document.body {
      case .inline(let bytes): .inline(bytes[...])
      case .staged(let name): .staged(name)
      }
    add(
      .put(path: document.path, body: body, attributes: attributes[...]), .upload, id: record.fileID, command, context,
      journal, .record(record, json: document.json))
    switch document.body {
    case .inline(let bytes):
      works.append(
        .init(lsn: lsn, id: record.fileID, path: document.path, kind: .document(bytes, attributes: attributes)))
    case .staged(let name):
      moves.append(
        Move(lsn: lsn, id: record.fileID, name: name, path: document.path, attributes: attributes))
    }
    let row = IndexRow(record, json: document.json, path: document.path, lsn: lsn, changedAt: context.now)
    rows[record.fileID] = .some(row)
    // A random id is new; a chosen one was looked for.
    changes.append(.upsert(row, isNew: true))
    return lsn
  }

  private mutating func patch(
    _ id: FileID, _ patch: FilePatch, _ command: Command, _ context: CommitContext, _ journal: Journal
  ) throws(APIError) -> UInt64 {
    try require(.update)
    guard let row = try row(id, context), row.status == FileStatus.active.number else { throw .noDocument(id) }
    var record = try row.record()
    if let description = patch.description { record.description = description }
    if let tags = patch.tags { record.tags = tags }
    if let metadata = patch.metadata { record.metadata = metadata }
    return try replace(record, of: row, .patch, command, context, journal)
  }

  private mutating func delete(
    _ id: FileID, _ command: Command, _ context: CommitContext, _ journal: Journal
  ) throws(APIError) -> UInt64 {
    try require(.delete)
    guard let row = try row(id, context), row.status != FileStatus.deleted.number else { throw .noDocument(id) }
    var record = try row.record()
    record.status = .deleted
    return try replace(record, of: row, .delete, command, context, journal)
  }

  private mutating func expire(
    _ id: FileID, _ command: Command, _ context: CommitContext, _ journal: Journal
  ) throws(APIError) -> UInt64 {
    guard let row = try row(id, context), row.status == FileStatus.active.number, let due = row.expiresAt,
      due <= context.now
    else { throw .noDocument(id) }
    var record = try row.record()
    record.status = .expired
    return try replace(record, of: row, .expire, command, context, journal)
  }

  private mutating func purge(
    _ id: FileID, before: Timestamp, _ command: Command, _ context: CommitContext, _ journal: Journal
  ) throws(APIError) -> UInt64 {
    guard let row = try row(id, context), row.status != FileStatus.active.number, row.changedAt < before else {
      throw .noDocument(id)
    }
    let lsn = add(.purge(path: row.path), .purge, id: id, command, context, journal, .nothing)
    rows[id] = .some(nil)
    changes.append(.remove(id, lsn: lsn, at: context.now))
    works.append(.init(lsn: lsn, id: id, path: row.path, kind: .removal))
    return lsn
  }

  private mutating func repair(
    _ found: Attributes, _ command: Command, _ context: CommitContext, _ journal: Journal
  ) throws(APIError) -> UInt64 {
    let id = found.record.fileID
    let known = try row(id, context)
    if let known {
      guard known.lsn <= found.lsn, known.path == found.path else { throw .noDocument(id) }
    } else if try context.isRemoved(id) {
      throw .noDocument(id)
    }
    let row = IndexRow(
      found.record, json: found.record.json, path: found.path, lsn: found.lsn, changedAt: context.now)
    return try replace(found.record, of: row, .repair, command, context, journal)
  }

  private mutating func transition(
    _ target: ApplianceMode, confirm: Bool, _ command: Command, _ context: CommitContext, _ journal: Journal
  ) throws(APIError) -> UInt64 {
    switch mode.transition(to: target) {
    case .allowed: break
    case .needsConfirmation where confirm: break
    case .needsConfirmation:
      throw APIError(
        .confirmationRequired, "changing from \(mode.rawValue) to \(target.rawValue) needs \"confirm\": true")
    case .refused:
      throw APIError(
        .invalidTransition,
        "an appliance in \(mode.rawValue) cannot change to \(target.rawValue); allowed are rw to ro, ro to rw, ro to ar"
      )
    }
    return set(target, command, context, journal)
  }

  private mutating func set(
    _ target: ApplianceMode, _ command: Command, _ context: CommitContext, _ journal: Journal
  ) -> UInt64 {
    let previous = mode
    mode = target
    return add(
      .mode(previous: previous, current: target), .transition, command, context, journal,
      .transition(previous: previous, current: target, at: context.now))
  }

  /// Replaces a document's attributes.
  private mutating func replace(
    _ record: FileRecord, of row: IndexRow, _ reason: Mutation.Reason, _ command: Command, _ context: CommitContext,
    _ journal: Journal
  ) throws(APIError) -> UInt64 {
    let json = record.json
    if !Attributes.isSmall(json: json, path: row.path) {
      try DraftRules.check(size: Attributes.sizeMax(json: json, path: row.path), of: record)
    }
    let lsn = journal.nextLSN
    let attributes = Attributes.encode(json: json, path: row.path, epoch: context.epoch, lsn: lsn)
    add(
      .attributes(path: row.path, attributes: attributes[...]), reason, id: row.id, command, context, journal,
      .record(record, json: json))
    let changed = IndexRow(record, json: json, path: row.path, lsn: lsn, changedAt: context.now)
    rows[row.id] = .some(changed)
    changes.append(.upsert(changed, isNew: false))
    works.append(.init(lsn: lsn, id: row.id, path: row.path, kind: .attributes(attributes)))
    return lsn
  }

  @discardableResult
  private mutating func add(
    _ change: Mutation.Change, _ reason: Mutation.Reason, id: FileID = .lowest, _ command: Command,
    _ context: CommitContext, _ journal: Journal, _ result: Outcome.Result
  ) -> UInt64 {
    let mutation = Mutation(
      id: id, time: context.now, reason: reason, subject: command.actor.subject, traceID: command.actor.traceID,
      change: change)
    let lsn = journal.add(mutation.type) { mutation.write(to: &$0) }
    outcomes.append(Outcome(command: command, lsn: lsn, result: result))
    return lsn
  }
}

extension IndexRow {
  /// The record of the stored JSON.
  func record() throws(APIError) -> FileRecord {
    do {
      return try JSON.decode(FileRecord.self, from: json)
    } catch {
      throw APIError(
        .internalError, "the index holds a record that cannot be read; run `artstore-appliance rebuild-index`",
        cause: error)
    }
  }
}

extension APIError {
  static func noDocument(_ id: FileID) -> APIError { APIError(.notFound, "there is no document \(id)") }

  static func notAllowed(_ operation: ApplianceOperation, in mode: ApplianceMode) -> APIError {
    APIError(
      .modeNotAllowed, "this storage is in mode \(mode.rawValue), which does not allow \(operation.rawValue)",
      details: ["mode": .string(mode.rawValue)])
  }

  static func readOnly(_ reason: String) -> APIError {
    APIError(
      .readOnly, "this storage stopped writing after an error of its disk; reads go on. Its operator must restart it",
      cause: StoreStopped(reason: reason))
  }

  static var rebuilding: APIError {
    APIError(
      .overloaded, "the index is being rebuilt; try again in a few seconds", headers: ["Retry-After": "5"])
  }
}

struct StoreStopped: Error { let reason: String }
