internal import Core
internal import Disk
internal import Journal
internal import StorageAPI

/// What an opened store is made of.
struct StoreParts: ~Copyable {
  let storageID: FileID
  let shared: Committer.Shared
  let committer: Committer
  let capacity: Capacity
  let archive: JournalArchive
  let spares: SpareSegments
  let random: any RandomSource
  let lock: any DiskFile
  let recovery: RecoverySummary
  let missing: [FileID]
  let needsRebuild: Bool
  let resumable: [UploadSession]
}

/// The way from files to a running store: lock, identity, index, journal, redo, a new incarnation, a checkpoint.
struct StoreOpening {
  let configuration: StoreConfiguration
  let disk: any Disk
  let time: any TimeSource
  private let random: any RandomSource
  let tree: DocumentTree
  private let lock: any DiskFile
  let state: StateFiles
  var isAdopting = false
  /// There is no journal yet.
  private let isFirst: Bool

  init(
    _ configuration: StoreConfiguration, disk: any Disk, time: any TimeSource, random: any RandomSource
  ) throws(StoreError) {
    self.configuration = configuration
    self.disk = disk
    self.time = time
    self.random = random
    state = StateFiles(disk: disk, directory: "\(configuration.dataDirectory)/state")
    lock = try DataDirectoryLock.take(configuration.dataDirectory, disk: disk)
    do throws(DiskError) {
      // Without a segment an earlier start may have died before its syncs: what it made may be in the cache only.
      isFirst = try Self.isFirst(configuration.journalDirectory, disk)
      tree = try DocumentTree(disk: disk, root: configuration.dataDirectory, confirming: isFirst)
      try disk.makeDirectories("\(configuration.journalDirectory)/archive", confirming: isFirst)
      try disk.makeDirectories(configuration.indexDirectory)
      let devices = [try disk.stat(tree.staging)?.device, try disk.stat(tree.absolute("files"))?.device]
      guard devices[0] == devices[1] else {
        throw DiskError("check that staging and files are one file system", configuration.dataDirectory, code: 18)
      }
    } catch {
      throw .disk(error)
    }
  }

  private static func isFirst(_ journal: String, _ disk: any Disk) throws(DiskError) -> Bool {
    guard try disk.stat(journal) != nil else { return true }
    return try !disk.list(journal).contains { $0.name.hasSuffix(".wal") }
  }

  mutating func run() throws(StoreError) -> Store {
    let began = time.uptime()
    let identity = try identity()
    let (journalConfiguration, indexIdentity) = try configure(identity)
    let opened = try openIndex(indexIdentity)
    let recovery: JournalRecovery
    do throws(JournalError) {
      recovery = try JournalRecovery(
        journalConfiguration, disk: disk, time: time, attestedLSN: opened?.appliedLSN ?? 0)
    } catch {
      throw .journal(error)
    }
    let isNew = try begin(recovery)
    let index: Index
    // An index older than the journal's first record (restored from a backup) has a gap that nothing can fill.
    if let opened, opened.appliedLSN + 1 >= recovery.firstLSN {
      index = opened
    } else {
      index = try newIndex(indexIdentity, isComplete: isNew)
    }
    let needsRebuild = index.state != .ready
    let checkpoint = recovery.checkpoint.flatMap { Checkpoint($0) }
    guard checkpoint != nil || recovery.firstLSN == 1 || recovery.lastEpoch == nil else {
      throw .invalid(
        "the journal begins at LSN \(recovery.firstLSN) and holds no checkpoint: segments are missing; restore them")
    }
    var redo = Redo(recovery: recovery, tree: tree, index: index, checkpoint: checkpoint?.lsn ?? 0)
    try redo.run()
    var summary = redo.summary
    summary.tornTail = recovery.tornTail?.file
    summary.seconds = (time.uptime() - began).inSeconds
    let configured = try configuredMode()
    let mode = redo.mode ?? checkpoint?.mode ?? configured
    let resumable = try loadResumable(redo)
    let parts = try assemble(
      Findings(
        identity: identity, index: index, recovery: recovery, checkpoint: checkpoint, mode: mode, summary: summary,
        missing: redo.missing, journal: journalConfiguration, newestChange: newestChange(index, redo),
        resumable: resumable, needsRebuild: needsRebuild, unplaced: redo.deferred))
    return try Store(parts, configuration: configuration)
  }

  struct Findings {
    let identity: StateFiles.Identity
    let index: Index
    let recovery: JournalRecovery
    let checkpoint: Checkpoint?
    let mode: ApplianceMode
    let summary: RecoverySummary
    let missing: [FileID]
    let journal: JournalConfiguration
    let newestChange: Timestamp
    let resumable: [UploadSession]
    let needsRebuild: Bool
    let unplaced: [Placements.Work]
  }

  private func assemble(_ found: Findings) throws(StoreError) -> StoreParts {
    let recovered = found.recovery.lastLSN
    let journal: Journal
    let spares = SpareSegments(found.journal, disk: disk)
    do throws(DiskError) { try spares.removeOld() } catch { throw .disk(error) }
    do throws(JournalError) {
      journal = try found.recovery.start(incarnation: random.uint64() >> 1, first: adoption(found), spares: spares)
    } catch {
      throw .journal(error)
    }
    let known = (found.checkpoint?.incarnations ?? []).filter { old in
      !found.recovery.incarnations.contains { $0.id == old.id }
    }
    let status = StatusBox(
      Committer.Status(
        mode: found.mode, lastLSN: journal.durableLSN, checkpointLSN: found.checkpoint?.lsn ?? 0,
        chainHead: journal.chainHead, sealed: found.recovery.sealed + journal.takeSealed(),
        newestChange: found.newestChange))
    let placements = Placements(
      tree: tree, bytesMax: configuration.unplacedBytesMax, through: journal.durableLSN, time: time)
    placements.add(found.unplaced, through: journal.durableLSN)
    let shared = Committer.Shared(
      tree: tree, index: found.index, placements: placements, time: time, epoch: found.identity.epoch,
      incarnations: known + found.recovery.incarnations, feed: FeedSignal(lsn: journal.durableLSN), status: status)
    let capacity: Capacity
    let archive: JournalArchive
    do throws(DiskError) {
      capacity = try Capacity(
        disk: disk, directory: configuration.dataDirectory, limit: configuration.capacityLimitBytes,
        headroom: configuration.headroomBytes,
        others: [configuration.journalDirectory, configuration.indexDirectory],
        segmentBytes: found.journal.segmentBytesMax, time: time)
      for session in found.resumable where session.phase == .open {
        capacity.adopt(reserved: session.reserved, staged: session.isPartMissing ? 0 : session.offset)
      }
      archive = try JournalArchive(found.journal, disk: disk)
    } catch {
      throw .disk(error)
    }
    // The index follows the journal's control records too: its LSN then attests to all of them.
    found.index.take([], through: journal.durableLSN)
    let committer = Committer(
      shared, journal: journal, mode: found.mode, queueLimit: configuration.queuedChangesMax)
    // What was redone is durable: the next start need not do it again.
    let redone = min(recovered, placements.placedThrough)
    if redone > found.checkpoint?.lsn ?? 0, found.summary.records > 0 {
      committer.commit([Command(action: .checkpoint(redone), actor: Actor("recovery")) { _ in }])
    }
    return StoreParts(
      storageID: found.identity.storageID, shared: shared, committer: committer, capacity: capacity, archive: archive,
      spares: spares, random: random, lock: lock, recovery: found.summary, missing: found.missing,
      needsRebuild: found.needsRebuild, resumable: found.resumable)
  }

  /// The time of the newest change, to notice a clock that went backwards; of the journal's, when the index cannot say.
  private func newestChange(_ index: Index, _ redo: Redo) -> Timestamp {
    let indexed = try? index.newestChange()  // see the line above
    return max(indexed ?? redo.newestChange, redo.newestChange)
  }

  private func openIndex(_ identity: IndexIdentity) throws(StoreError) -> Index? {
    do throws(SQLiteError) {
      return try Index.open(configuration.indexDirectory, identity: identity)
    } catch {
      // Made anew it would only meet the same, and what it holds would be lost.
      throw .index("\(error); a start needs a few hundred KiB in \(configuration.indexDirectory)")
    }
  }

  private func identity() throws(StoreError) -> StateFiles.Identity {
    if let known = try state.identity() {
      if let wanted = configuration.applianceID, wanted != known.storageID {
        throw .invalid(
          "\(configuration.dataDirectory) belongs to storage \(known.storageID), the configuration says \(wanted)")
      }
      if isFirst { try write(known, mode: try state.mode() ?? configuration.initialMode) }
      return known
    }
    guard isFirst else {
      throw .invalid(
        "\(configuration.dataDirectory)/state/store.json is missing, but a journal exists: restore it from a backup")
    }
    let made = StateFiles.Identity(
      storageID: configuration.applianceID ?? .random(random), epoch: UInt64(max(1, time.now().microseconds)))
    try write(made, mode: configuration.initialMode)
    return made
  }

  /// The identity last: with it, everything is there.
  private func write(_ identity: StateFiles.Identity, mode: ApplianceMode) throws(StoreError) {
    try state.write(mode)
    try state.write(identity)
  }

  /// The mode that the store was made with, which a changed configuration does not change.
  private func configuredMode() throws(StoreError) -> ApplianceMode {
    if let known = try state.mode() { return known }
    try state.write(configuration.initialMode)
    return configuration.initialMode
  }

  private func configure(
    _ identity: StateFiles.Identity
  ) throws(StoreError) -> (JournalConfiguration, IndexIdentity) {
    var journal = JournalConfiguration(
      directory: configuration.journalDirectory, appliance: identity.storageID, epoch: identity.epoch)
    let space: DiskSpace
    do throws(DiskError) { space = try disk.space(configuration.journalDirectory) } catch { throw .disk(error) }
    // On a small disk three segments (active, next, archived copy) must not be most of it.
    journal.segmentBytesMax = min(configuration.segmentBytesMax, max(1 << 20, space.total / 32))
    return (journal, IndexIdentity(appliance: identity.storageID, epoch: identity.epoch))
  }

  /// Replaces whatever index there is.
  private func newIndex(_ identity: IndexIdentity, isComplete: Bool) throws(StoreError) -> Index {
    do throws(SQLiteError) {
      try Index.removeFiles(in: configuration.indexDirectory)
      return try Index.create(
        configuration.indexDirectory, identity: identity, generation: random.uint64() >> 1, isComplete: isComplete)
    } catch {
      throw .index(error.description)
    }
  }

  /// Unfinished uploads of earlier runs; what the journal knows was moved into place by redo, or is still to be.
  private func loadResumable(_ redo: Redo) throws(StoreError) -> [UploadSession] {
    let names = redo.deferred.compactMap { work in if case .staged(let name, _) = work.kind { name } else { nil } }
    do throws(DiskError) {
      return try UploadSessions.load(tree.staging, keeping: Set(names), disk)
    } catch {
      throw .disk(error)
    }
  }
}
