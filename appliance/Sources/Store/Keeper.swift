internal import Core
internal import Disk
internal import HTTP
internal import Journal
internal import Synchronization

/// Makes what is in place durable (checkpoint) and retires journal segments that nobody needs any more.
final class Keeper: Sendable {
  private let committer: Committer
  private let shared: Committer.Shared
  private let archive: JournalArchive
  private let archiveBytesMax: Int?
  /// One at a time.
  private let turn = Mutex<Duration>(.zero)
  /// The keeper and, when that is far behind, the committer.
  private let checkpointing = Mutex<Void>(())
  private static let interval: Duration = .seconds(60)
  /// Sealed segments that a start would have to redo. Beyond this nothing is committed before a checkpoint, so that a
  /// start takes a bounded time whatever the load was.
  static let segmentsBehindMax = 8

  init(committer: Committer, shared: Committer.Shared, archive: JournalArchive, archiveBytesMax: Int?) {
    self.committer = committer
    self.shared = shared
    self.archive = archive
    self.archiveBytesMax = archiveBytesMax
  }

  /// Whether there is something to do now: a sealed segment, or changes older than the interval.
  var isDue: Bool {
    let status = shared.status.current
    guard status.readOnlyReason == nil else { return false }
    if !status.sealed.isEmpty { return true }
    return status.lastLSN > status.checkpointLSN && shared.time.uptime() - turn.withLock({ $0 }) > Self.interval
  }

  /// More waits for a checkpoint than a start should have to redo.
  var isFarBehind: Bool { shared.status.segmentsAfterCheckpoint > Self.segmentsBehindMax }

  /// For the committer, before a batch: checkpoints on this thread when the keeper does not keep up.
  func catchUp() { if isFarBehind, shared.status.readOnlyReason == nil { checkpoint() } }

  /// Checkpoint, then retire what it covers. Nothing in a store that stopped: after a failed sync the next one may go
  /// well without what it should have made durable.
  func run() {
    turn.withLock { last in
      last = shared.time.uptime()
      guard shared.status.readOnlyReason == nil, checkpoint() else { return }
      retire()
    }
  }

  /// Syncs the file system of the tree and journals how far that reaches. False when it failed: the store is then
  /// read-only.
  @discardableResult
  private func checkpoint() -> Bool { checkpointing.withLock { _ in checkpointAlone() } }

  private func checkpointAlone() -> Bool {
    let lsn = shared.placements.placedThrough
    guard lsn > shared.status.checkpointLSN else { return true }
    do throws(DiskError) {
      try shared.tree.sync(.treeCheckpoint)
    } catch {
      shared.status.stop(error.description)
      return false
    }
    let outcome = Mutex(false)
    let command = Command(action: .checkpoint(lsn), actor: Actor("checkpoint")) { result in
      outcome.withLock { if case .success = result { $0 = true } }
    }
    committer.commit([command])
    do throws(DiskError) { try shared.tree.disk.reached(.checkpointCommitted) } catch { return false }
    return outcome.withLock { $0 }
  }

  private func retire() {
    guard shared.status.hasSealed else { return }
    let applied = shared.index.appliedLSN
    do throws(SQLiteError) {
      try shared.index.write { (writer) throws(SQLiteError) in try writer.makeDurable() }
    } catch {
      return  // the index is not durable: segments stay, the next run tries again
    }
    do throws(DiskError) { try shared.tree.disk.reached(.indexDurable) } catch { return }
    let ready = shared.status.takeSealed(through: min(shared.status.checkpointLSN, applied))
    for (place, segment) in ready.enumerated() {
      if isFarBehind { checkpoint() }
      guard shared.status.readOnlyReason == nil else {
        for left in ready[place...] { shared.status.putBack(left) }
        return
      }
      do throws(JournalError) {
        try archive.take(segment)
      } catch {
        for left in ready[place...] { shared.status.putBack(left) }
        if case .failed = error { shared.status.stop(error.description) }
        return
      }
    }
    do throws(JournalError) {
      let space: DiskSpace
      do throws(DiskError) { space = try shared.tree.disk.space(archive.directory) } catch { throw .disk(error) }
      try archive.prune(toBytes: archiveBytesMax ?? space.total / 20)
    } catch {
      // Pruning frees room; failing to is no danger, the next run tries again. But for a sync.
      if case .failed = error { shared.status.stop(error.description) }
    }
  }
}
