import Core
import Crypto
import Disk
import FoundationEssentials
import HTTP
import StorageAPI

@testable import Store

/// One seed: a store on the simulated disk, random changes, crashes of every kind, and after each restart a comparison
/// with the model. Everything that decides anything comes from the seed.
final class StoreSimulation {
  let seed: UInt64
  /// Files are damaged behind the store's back in some seeds; calls fail and power is cut in all.
  var isRotting: Bool { seed % 3 == 0 }
  let disk: SimulatedDisk
  let clock = TestClock()
  var random: SimulationRandom
  var model = SimulationModel()
  /// What a follower of the change feed holds: the record's text by id.
  var mirror: [FileID: String] = [:]
  var mirrorPosition: Position?
  let place: SimulationPlace
  let inbox = Inbox()
  let sources: SeededRandom
  /// Kept until the committer has answered, as their requests would be.
  var uploads: [Int: Upload] = [:]
  /// Files were damaged behind the store's back, and no pass of reconcile has ended since.
  var isDamaged = false
  /// Names that reconcile has set aside.
  var quarantined: Set<String> = []
  /// Files that reconcile must set aside, by path.
  var orphans: Set<String> = []
  /// The index lost no more than a power cut may take: the store must be able to go on with it.
  var isIndexGood = false
  private(set) var actionCounts: [Action: Int] = [:]
  private(set) var log: [String] = []
  private let strike: Strike?
  private var hasOpened = false

  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  /// Answers of the committer.
  final class Inbox: @unchecked Sendable {  // a simulation runs in one task
    var answers: [(id: FileID, ticket: Int, result: Result<Command.Reply, APIError>)] = []
    var modes: [(target: ApplianceMode, isAcknowledged: Bool?)] = []
  }

  /// What clients and the operator do.
  enum Action: String, CaseIterable, Hashable, Sendable {
    case uploadSmall, uploadLarge, abort, patch, delete, purge, place, keep, attest, transition, read, seal
    case collectGarbage, reconcile, scrub, damage, orphan, loseIndex, restoreIndex, loseIndexTail
    case breakIndex, fillIndex, freeIndex
  }

  /// Instead of random faults: the call of the first life, its start included, in which the process dies or the power
  /// goes.
  struct Strike: Sendable {
    let step: Int
    let isKill: Bool
  }

  init(seed: UInt64, place: SimulationPlace, omitting: Set<SyncSite> = [], strike: Strike? = nil) {
    self.seed = seed
    self.place = place
    self.strike = strike
    disk = SimulatedDisk(seed: seed &* 3 &+ 1)
    disk.omitted = omitting
    random = SimulationRandom(seed: seed)
    sources = SeededRandom(seed: seed)
  }

  func run() async throws {
    for name in ["", "old-", "durable-"] { removeFiles("\(name)index.sqlite") }
    defer { removeIndex() }
    // What the process's end closes: a crash leaves nothing to the next seed either.
    disk.onReached = { [unowned self] in if $0 == .indexDurable { self.noteDurableIndex() } }
    try prepare()
    let lives = strike == nil ? 3 + random.below(4) : 2
    for life in 0..<lives {
      note("life \(life)")
      try await oneLife(isFirst: life == 0)
      crash()
    }
    let state = try await lastLife()
    if random.percent(50) { disk.cutPower() } else { disk.kill() }
    guard try await lastLife() == state else { throw fail("a second recovery gave another state") }
  }

  // MARK: Lives

  /// In a function of its own, so that the store and its index's connections are gone before the index's files change.
  private func oneLife(isFirst: Bool) async throws {
    if let strike, isFirst {
      if strike.isKill { disk.faults.killAt = strike.step } else { disk.faults.powerCutAt = strike.step }
    } else {
      planStart()
    }
    guard let store = try open(isStruck: isFirst && strike != nil) else { return }
    try await heal(store)
    try resolve(store)
    if strike == nil { plan() }
    try await live(store, changes: strike == nil ? 5 + random.below(40) : 12)
    collect()
    // The requests die with the process; their uploads are not tidied up.
    uploads.values.forEach { $0.forget() }
    uploads = [:]
  }

  private func lastLife() async throws -> State {
    guard let store = try openForSure() else { throw fail("the store does not open without faults") }
    try await heal(store)
    let state = try await verify(store)
    store.close()
    return state
  }

  // MARK: Crashes

  private func plan() {
    switch random.below(12) {
    case 0..<3: disk.faults.powerCutAt = disk.steps + 1 + random.below(120)
    case 3: disk.faults.killAt = disk.steps + 1 + random.below(120)
    case 4..<6:
      disk.faults.powerCutAtPoint = (CrashPoint.allCases[random.below(CrashPoint.allCases.count)], 1 + random.below(6))
    case 6..<11:
      let failures: [SimulatedDisk.Fault] = [
        .writeFailed, .syncFailed, .renameFailed, .otherFailed, .full, .fullInSync,
      ]
      disk.faults.failAt = disk.steps + 1 + random.below(80)
      disk.faults.failure = failures[random.below(failures.count)]
      disk.faults.fullCalls = 1 + random.below(20)
      // Renames are rare: wait for the first ones, or none would fail.
      if disk.faults.failure == .renameFailed { disk.faults.failAt = disk.steps + 1 + random.below(8) }
    default: break
    }
  }

  /// Faults that strike while the store starts.
  private func planStart() {
    switch random.below(12) {
    case 0..<3: disk.faults.powerCutAt = 1 + random.below(40)
    case 3: disk.faults.killAt = 1 + random.below(40)
    case 4..<6:
      disk.faults.powerCutAtPoint = ([.recoveryCopied, .recoveryRenamed, .recoveryRedone][random.below(3)], 1)
    case 6: disk.faults.failReadAt = 1 + random.below(60)
    case 7:
      let failures: [SimulatedDisk.Fault] = [
        .writeFailed, .syncFailed, .renameFailed, .otherFailed, .full, .fullInSync,
      ]
      disk.faults.failAt = 1 + random.below(25)
      disk.faults.failure = failures[random.below(failures.count)]
      disk.faults.fullCalls = 1 + random.below(5)
    default: break
    }
  }

  private func crash() {
    let isKill = disk.isDown ? disk.downBy == .killInCall : random.percent(40)
    note(isKill ? "killed" : "power cut")
    if isKill {
      disk.kill()
      if random.percent(10), !isDamaged { loseIndex(0) }
    } else {
      disk.cutPower()
      // What is damaged must come back from somewhere.
      if !isDamaged { loseIndex(random.below(7)) }
    }
  }

  /// Opens; faults may strike during recovery, then it is tried again.
  private func open(isStruck: Bool) throws -> Store? {
    if let store = try attempt(keepingFaults: isStruck) { return store }
    // It may have begun a new index before it failed.
    removeFiles("durable-index.sqlite")
    crash()
    return isStruck ? nil : try openForSure()
  }

  private func openForSure() throws -> Store? {
    disk.faults = SimulatedDisk.FaultPlan()
    return try attempt(keepingFaults: false)
  }

  private func attempt(keepingFaults: Bool) throws -> Store? {
    let store: Store
    do throws(StoreError) {
      store = try Store.open(configuration, disk: disk, time: clock, random: sources)
    } catch {
      note("did not open: \(error)")
      if disk.isDown || disk.hasDealt { return nil }
      throw fail("the store does not open: \(error)")
    }
    if store.rebuild != nil { store.finishRebuild() }
    if disk.isDown { return nil }
    if disk.hasDealt, store.summary.index != .ready || store.readOnlyReason != nil { return nil }
    try opened(store)
    if !keepingFaults { disk.faults = SimulatedDisk.FaultPlan() }
    return store
  }

  private func opened(_ store: Store) throws {
    let summary = store.summary
    note("opened at LSN \(summary.lastLSN), checkpoint \(summary.checkpointLSN), rebuilt \(store.rebuild != nil)")
    if !hasOpened { startDurableIndex() }
    if store.rebuild != nil {
      if isIndexGood { throw fail("the index has a gap that the journal cannot fill") }
      removeFiles("durable-index.sqlite")
    }
    hasOpened = true
    isIndexGood = false
    if let wrong = model.observe(store.mode) { throw fail(wrong) }
  }

  var configuration: StoreConfiguration {
    // Only the first start may ask what the mode is.
    let modes: [ApplianceMode] = [.edit, .edit, .rw]
    let mode = hasOpened ? ApplianceMode.allCases[random.below(4)] : modes[Int(seed % 3)]
    var configuration = StoreConfiguration(
      dataDirectory: "/data", journalDirectory: "/wal", indexDirectory: place.scratch, initialMode: mode)
    configuration.runsThreads = false
    configuration.rebuildsOnTwoThreads = false
    configuration.smallDocumentBytesMax = 2000
    configuration.segmentBytesMax = 24_000
    configuration.unplacedBytesMax = 6000
    configuration.directoryDocumentsMax = 3
    configuration.headroomBytes = 0
    configuration.archiveBytesMax = 12_000
    return configuration
  }

  private func prepare() throws {
    for directory in ["/data", "/wal"] {
      try disk.makeDirectory(directory)
      try disk.syncDirectory("/", .directoryMade)
    }
    disk.beginAgain()
  }

  func did(_ action: Action) { actionCounts[action, default: 0] += 1 }

  func note(_ line: String) {
    disk.trace.add(line)
    if log.count < 1000 { log.append(line) }
  }

  func fail(_ reason: String) -> Failure { Failure(description: "seed \(seed): \(reason)") }
}
