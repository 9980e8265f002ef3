public import Core
public import Disk
internal import Journal
public import StorageAPI
internal import Synchronization

/// The appliance's store: documents, their attributes, their history.
///
/// Reading calls block for at most a few reads of the index; changes suspend until they are durable. Errors for
/// clients are `APIError` with the contract's codes. Every public call is safe from any task or thread.
///
/// A change's way: `Committer` decides it and journals it with others in one sync; large documents are then moved into
/// place, small ones are left to `Placements`; `Index` makes it visible; the caller gets its answer. `Keeper`
/// checkpoints and archives behind it. `StoreOpening` is the way back from disk.
public final class Store: Sendable {
  public let configuration: StoreConfiguration
  /// This store's id, made with it.
  public let storageID: FileID
  /// What recovery found and did.
  public let recovery: RecoverySummary
  /// Large documents whose bytes recovery could not find: damage that reconcile reports.
  public let missingAtStart: [FileID]
  let shared: Committer.Shared
  let committer: Committer
  let capacity: Capacity
  let workers: DiskWorkers
  /// Apart from `workers`: a sync that takes a second must not keep others from hashing.
  let hashers: DiskWorkers
  let keeper: Keeper
  let archive: JournalArchive
  private let spares: SpareSegments
  let random: any RandomSource
  /// Made the index at the start, which had none to go on with.
  let rebuild: IndexRebuild?
  let mender: IndexRebuild
  let resumable: UploadSessions
  let onceKeys: OnceKeys
  let hourDirectories: HourDirectories
  /// Documents marked as damaged: never served.
  let problems: Mutex<[FileID: String]>
  /// Where kept history began when it was last looked at.
  let historyStart = Mutex<(segment: UInt64, began: Timestamp)?>(nil)
  private let lock: any DiskFile
  private let threads = Mutex<[DedicatedThread]>([])
  private let keeperWake = BoundedQueue<Void>(limit: 1)
  private let isClosed = Atomic(false)

  /// Opens or creates the store: takes the lock, recovers the journal, opens the index or begins to rebuild it. Blocks.
  public static func open(
    _ configuration: StoreConfiguration, disk: any Disk, time: any TimeSource, random: any RandomSource
  ) throws(StoreError) -> Store {
    var opening = try StoreOpening(configuration, disk: disk, time: time, random: random)
    return try opening.run()
  }

  /// Takes over a restored copy as a new life (decision 0005) and opens it: a greater epoch, a new segment behind the
  /// old chain, a new feed, a line in the audit trail. Every position that was given out before is void. Blocks.
  public static func adopt(
    _ configuration: StoreConfiguration, disk: any Disk, time: any TimeSource, random: any RandomSource
  ) throws(StoreError) -> (store: Store, previousEpoch: UInt64) {
    var opening = try StoreOpening(configuration, disk: disk, time: time, random: random)
    let old = try opening.adopt()
    return (try opening.run(), old.epoch)
  }

  init(_ parts: consuming StoreParts, configuration: StoreConfiguration) throws(StoreError) {
    self.configuration = configuration
    storageID = parts.storageID
    recovery = parts.recovery
    missingAtStart = parts.missing
    shared = parts.shared
    committer = parts.committer
    capacity = parts.capacity
    archive = parts.archive
    spares = parts.spares
    random = parts.random
    resumable = UploadSessions(parts.resumable)
    onceKeys = OnceKeys(storageID: parts.storageID)
    hourDirectories = HourDirectories(documentsMax: configuration.directoryDocumentsMax)
    lock = parts.lock
    problems = Mutex((try? parts.shared.index.problems()) ?? [:])  // an index being rebuilt has none to tell
    mender = IndexRebuild(
      parts.shared, random: parts.random, readsBesides: configuration.rebuildsOnTwoThreads,
      isPatient: configuration.runsThreads)
    rebuild = parts.needsRebuild ? mender : nil
    keeper = Keeper(
      committer: parts.committer, shared: parts.shared, archive: parts.archive,
      archiveBytesMax: configuration.archiveBytesMax)
    do throws(DiskError) {
      workers = try DiskWorkers("store-io", threads: configuration.runsThreads ? 2 : 0)
      hashers = try DiskWorkers("store-hash", threads: configuration.runsThreads ? 2 : 0)
      if configuration.runsThreads { try startThreads() }
    } catch {
      throw .disk(error)
    }
  }

  private func startThreads() throws(DiskError) {
    let (committer, shared, keeper, wake, spares) = (committer, shared, keeper, keeperWake, spares)
    let (mender, needsRebuild) = (mender, rebuild != nil)
    let placements = shared.placements
    shared.index.hasIndexer.store(true, ordering: .relaxed)
    let started = [
      try DedicatedThread("committer") { committer.run { keeper.catchUp() } },
      try DedicatedThread("placer") { placements.run() },
      try DedicatedThread("indexer") { shared.index.run { shared.indexSettled() } },
      try DedicatedThread("keeper") {
        while wake.take(upTo: 1, timeout: .seconds(1)) != nil { if keeper.isDue { keeper.run() } }
      },
      try DedicatedThread("spares") { spares.run { shared.status.stop($0.description) } },
      try DedicatedThread("rebuild") { mender.serve(isNeeded: needsRebuild) },
    ]
    threads.withLock { $0 = started }
  }

  /// Commits, places and checkpoints what waits, on this thread, and goes on with a rebuild: for stores without
  /// threads. Whether there was anything to do.
  @discardableResult
  public func step() -> Bool {
    let commits = committer.step()
    let before = shared.placements.placedThrough
    shared.placements.place(upTo: 16)
    // A failure is kept, and met by whoever reads.
    mender.mend()
    do throws(SQLiteError) {
      try shared.index.settle(isRetry: true)
      shared.indexSettled()
    } catch { /* see above */  }
    let isDue = keeper.isDue
    if isDue { keeper.run() }
    spares.prepare()
    if let failure = spares.failure { shared.status.stop(failure.description) }
    return commits > 0 || isDue || shared.placements.placedThrough != before
  }

  /// Puts everything acknowledged in place and checkpoints. Blocks. For `close`, export and tests.
  public func flush() {
    while shared.placements.place(upTo: 1024) > 0 {
      if shared.placements.failure != nil || shared.placements.stalled != nil { break }
    }
    keeper.run()
  }

  /// Rebuilds on this thread what `step` would never come to: for stores without threads. `progress` hears how many
  /// documents are in.
  public func finishRebuild(progress: (Int) -> Void = { _ in }) { rebuild?.run(progress: progress) }

  /// Puts everything acknowledged in place, checkpoints, and lets go of the data directory. Blocks. Once.
  public func close() {
    guard !isClosed.exchange(true, ordering: .acquiringAndReleasing) else { return }
    mender.stop()
    committer.queue.close()
    shared.placements.wake.close()
    shared.index.wake.close()
    keeperWake.close()
    spares.wake.close()
    for thread in threads.withLock({ $0 }) { thread.join() }
    workers.stop()
    hashers.stop()
    spares.close()
    if shared.status.readOnlyReason == nil {
      flush()
      committer.attest()
    }
    shared.index.close()
    lock.close()
  }

  public var mode: ApplianceMode { shared.status.mode }

  /// Set when the store stopped writing for good.
  public var readOnlyReason: String? {
    shared.status.readOnlyReason ?? shared.placements.failure?.description
  }

  /// The store's figures; cheap enough for every scrape.
  public var summary: StoreSummary {
    let status = shared.status.current
    let index = shared.index.snapshot
    let used = index.totals.counts.reduce(0) { $0 + $1.bytes }
    let pending = shared.placements.bytes
    let room = capacity.figures(used: used, pending: pending)
    let isTaking = status.readOnlyReason == nil && !shared.index.isStalled && !shared.index.isBehind
    var counts: [FileStatus: StoreSummary.Count] = [:]
    for status in FileStatus.allCases {
      let count = index.totals.counts[status.number]
      counts[status] = .init(files: count.files, bytes: count.bytes)
    }
    return StoreSummary(
      storageID: storageID, mode: status.mode, counts: counts, totalBytes: room.total, usedBytes: used,
      availableBytes: isTaking ? room.available : 0, epoch: shared.epoch, lastLSN: status.lastLSN,
      chainHead: status.chainHead, position: index.state == .ready ? shared.position(index.appliedLSN) : nil,
      readOnlyReason: readOnlyReason, index: index.state, tombstoneFloor: index.tombstoneFloor, unplacedBytes: pending,
      checkpointLSN: status.checkpointLSN, journal: status.journal, recovery: recovery,
      indexTrouble: shared.index.trouble.withLock { $0?.error.description },
      waitingChanges: shared.index.waiting.withLock { $0.changes.count })
  }
}
