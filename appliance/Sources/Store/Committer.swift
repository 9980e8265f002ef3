internal import Core
internal import Disk
internal import HTTP
internal import Journal
internal import StorageAPI
internal import Synchronization

/// Turns commands into durable changes, a batch at a time: decide, journal, sync, make visible, answer. Whoever holds
/// `core` is the committer: its thread, or a simulation's step.
final class Committer: Sendable {
  let queue: BoundedQueue<Command>
  private let core: Mutex<Core>
  private let shared: Shared

  /// What other threads may see.
  struct Status: Sendable {
    var mode: ApplianceMode
    var lastLSN: UInt64
    var checkpointLSN: UInt64
    var chainHead: Checksum
    var readOnlyReason: String?
    var journal = JournalSummary()
    var sealed: [SealedSegment] = []
    /// When the newest change was made, by the clock of then.
    var newestChange: Timestamp
  }

  /// What the committer works with, all of it safe from any thread.
  struct Shared: Sendable {
    let tree: DocumentTree
    let index: Index
    let placements: Placements
    let time: any TimeSource
    let epoch: UInt64
    let incarnations: [Incarnation]
    let feed: FeedSignal
    let status: StatusBox
    let prepared = PreparedDocuments()
  }

  /// Guarded by `Committer.core`.
  private struct Core: ~Copyable {
    let journal: Journal
    var mode: ApplianceMode
    /// When a segment was last sealed early, by uptime.
    var sealed: Duration?
  }

  static let batchCommandsMax = 512
  static let batchBytesMax = 3 << 20
  /// Between two segments that are sealed early.
  static let earlySealInterval: Duration = .seconds(300)

  init(_ shared: Shared, journal: sending Journal, mode: ApplianceMode, queueLimit: Int) {
    self.shared = shared
    queue = BoundedQueue(limit: queueLimit)
    core = Mutex(Core(journal: journal, mode: mode))
  }

  /// Hands a command over; refuses when too many wait or the store is closing.
  func submit(_ command: Command) throws(APIError) {
    if let reason = shared.status.readOnlyReason { throw .readOnly(reason) }
    do throws(BoundedQueue<Command>.Refusal) {
      try queue.put(command)
    } catch {
      switch error {
      case .full:
        throw APIError(
          .overloaded, "too many changes are waiting for this storage's disk; try again in a second",
          headers: ["Retry-After": "1"])
      case .closed:
        throw APIError(.overloaded, "this storage is shutting down; try again later", headers: ["Retry-After": "30"])
      }
    }
  }

  /// Submits and waits for the change to be durable.
  func perform(_ action: Command.Action, by actor: Actor) async throws(APIError) -> Command.Reply {
    let result = await withCheckedContinuation {
      (continuation: CheckedContinuation<Result<Command.Reply, APIError>, Never>) in
      do throws(APIError) {
        try submit(Command(action: action, actor: actor) { continuation.resume(returning: $0) })
      } catch {
        continuation.resume(returning: .failure(error))
      }
    }
    return try result.get()
  }

  /// The committer thread: until the queue is closed and empty. `catchUp`: called before each batch, see `Keeper`.
  func run(catchUp: () -> Void) {
    var idle: Duration? = nil
    while let commands = queue.take(upTo: Self.batchCommandsMax, timeout: idle) {
      if commands.isEmpty {
        attest()
        idle = nil
      } else {
        while shared.placements.isOverfull { shared.placements.place(upTo: 64) }
        catchUp()
        commit(commands)
        idle = .milliseconds(500)
      }
    }
    attest()
  }

  /// Says in the journal that the last batch is durable.
  func attest() {
    core.withLock { core in
      do throws(JournalError) { try core.journal.attest() } catch { shared.status.stop(error.description) }
    }
  }

  /// Commits what waits now; how many commands that were. For simulations, which have no threads.
  func step() -> Int {
    let commands = queue.take(upTo: Self.batchCommandsMax, timeout: .zero) ?? []
    if !commands.isEmpty { commit(commands) }
    return commands.count
  }

  func commit(_ commands: [Command]) {
    core.withLock { core in
      var rest = commands[...]
      while !rest.isEmpty { commitSome(&rest, &core) }
      publish(core)
    }
  }

  /// One batch: as many commands as fit.
  private func commitSome(_ rest: inout ArraySlice<Command>, _ core: inout Core) {
    var batch = Batch(mode: core.mode)
    let context = CommitContext(epoch: shared.epoch, now: shared.time.now(), row: row, isRemoved: isRemoved)
    var checkpoint: UInt64?
    while let command = rest.first, core.journal.pendingBytes < Self.batchBytesMax {
      if case .seal = command.action {
        // Between batches only.
        if !batch.outcomes.isEmpty { break }
        rest.removeFirst()
        seal(command, &core)
        continue
      }
      rest.removeFirst()
      do throws(APIError) {
        if let reason = shared.status.readOnlyReason ?? shared.placements.failure?.description {
          throw .readOnly(reason)
        }
        switch command.action {
        case .checkpoint(let lsn):
          let record = Checkpoint(lsn: lsn, mode: batch.mode, incarnations: shared.incarnations)
          let own = core.journal.add(.checkpoint) { record.write(to: &$0) }
          batch.outcomes.append(.init(command: command, lsn: own, result: .nothing))
          checkpoint = lsn
        default:
          if shared.index.isBehind { throw .indexBehind }
          _ = try batch.decide(command, in: context, journal: core.journal)
        }
      } catch {
        command.reply(.failure(error))
      }
    }
    finish(batch, checkpoint, &core)
  }

  private func finish(_ batch: Batch, _ checkpoint: UInt64?, _ core: inout Core) {
    guard !batch.outcomes.isEmpty else { return }
    do throws(JournalError) {
      let last = try core.journal.commit()
      core.mode = batch.mode
      shared.status.committed(mode: batch.mode, lsn: last, checkpoint: checkpoint, at: shared.time.now())
      try install(batch, through: last)
    } catch {
      let refusal: APIError
      if error.isFull {
        refusal = .full
      } else {
        shared.status.stop(error.description)
        refusal = .readOnly(error.description)
      }
      for outcome in batch.outcomes { outcome.command.reply(.failure(refusal)) }
    }
  }

  /// The journal is durable: documents, index, answers. What waits in memory (small documents for their place, changes
  /// for SQLite) is found there by every reader.
  private func install(_ batch: Batch, through last: UInt64) throws(JournalError) {
    var works = batch.works
    for move in batch.moves {
      do throws(DiskError) {
        try shared.tree.place(staged: move.name, attributes: move.attributes, at: move.path)
      } catch {
        guard error.isFull else { throw .failed(error) }
        works.append(
          .init(
            lsn: move.lsn, id: move.id, path: move.path, kind: .staged(move.name, attributes: move.attributes)))
      }
    }
    if works.count > batch.works.count { works.sort { $0.lsn < $1.lsn } }
    shared.placements.add(works, through: last)
    shared.index.add(batch.changes, through: last)
    shared.prepared.forget(batch.changes.map(\.id))
    for outcome in batch.outcomes { outcome.command.reply(.success(reply(outcome))) }
    if !batch.changes.isEmpty { shared.feed.announce(last) }
  }

  private func reply(_ outcome: Batch.Outcome) -> Command.Reply {
    let position = shared.position(outcome.lsn)
    switch outcome.result {
    case .record(let record, let json): return .committed(Committed(record: record, json: json, position: position))
    case .transition(let previous, let current, let at):
      return .transition(CommittedTransition(previous: previous, current: current, at: at, position: position))
    case .nothing: return .done(lsn: outcome.lsn)
    }
  }

  /// Seals a segment before it is full, so that its hash can be kept elsewhere. Only one that holds history, and
  /// seldom: whoever asks often gets the same answer.
  private func seal(_ command: Command, _ core: inout Core) {
    let now = shared.time.uptime()
    let isDue = core.sealed.map { now - $0 >= Self.earlySealInterval } ?? true
    let seals = isDue && core.journal.holdsHistory
    do throws(JournalError) {
      if seals {
        try core.journal.seal()
        core.sealed = now
        publish(core)
      }
      command.reply(.success(.sealed(core.journal.head, isNew: seals)))
    } catch {
      if !error.isFull { shared.status.stop(error.description) }
      command.reply(.failure(error.isFull ? .full : .readOnly(error.description)))
    }
  }

  private func row(_ id: FileID) throws(APIError) -> IndexRow? { try shared.index.knownRow(id) }

  private func isRemoved(_ id: FileID) throws(APIError) -> Bool {
    do throws(SQLiteError) {
      return try shared.index.isRemoved(id)
    } catch {
      throw shared.index.unreadable(error)
    }
  }

  private func publish(_ core: borrowing Core) {
    var summary = JournalSummary()
    summary.batches = core.journal.statistics.batches
    summary.records = core.journal.statistics.records
    summary.bytes = core.journal.statistics.bytes
    summary.segment = core.journal.segmentNumber
    shared.status.publish(summary, chainHead: core.journal.chainHead, sealed: core.journal.takeSealed())
  }
}

extension Committer.Shared {
  /// Changes have entered SQLite.
  func indexSettled() {
    do throws(DiskError) { try tree.disk.reached(.indexCommitted) } catch { status.stop(error.description) }
  }

  func position(_ lsn: UInt64) -> Position {
    Position(
      epoch: epoch, generation: index.generation, incarnation: incarnations.last?.id ?? 0, lsn: lsn)
  }
}

extension APIError {
  static var full: APIError {
    APIError(.storageFull, "this storage is full; choose another one, or try again when documents were removed")
  }
}

extension APIError {
  /// The index cannot take more: as with a full disk, whatever the reason.
  static var indexBehind: APIError {
    APIError(
      .storageFull,
      "this storage's index cannot be written, and too many changes wait for it; choose another storage, or try again "
        + "when its operator has mended that", headers: ["Retry-After": "30"])
  }
}

extension Index {
  /// Why it cannot be read: what is not there yet comes by itself.
  func unreadable(_ error: SQLiteError) -> APIError {
    switch trouble.withLock({ $0 }) {
    case .stalled:
      APIError(
        .overloaded, "the index has not taken in the newest changes, its disk refuses them; try again later",
        headers: ["Retry-After": "10"], cause: error)
    case .broken: .rebuilding
    case nil: APIError(.internalError, "the index cannot be read", cause: error)
    }
  }

  /// A document's row for a decision; while the index is being rebuilt an unknown one may still turn up.
  func knownRow(_ id: FileID) throws(APIError) -> IndexRow? {
    do throws(SQLiteError) {
      if let row = try row(id) { return row }
    } catch {
      throw unreadable(error)
    }
    guard state == .ready else { throw .rebuilding }
    return nil
  }
}
