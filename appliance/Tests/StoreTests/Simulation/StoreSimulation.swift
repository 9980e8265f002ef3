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
  let disk: SimulatedDisk
  let clock = TestClock()
  var random: SimulationRandom
  var model = SimulationModel()
  /// What a follower of the change feed holds: the record's text by id.
  var mirror: [FileID: String] = [:]
  var mirrorPosition: Position?
  var mode: ApplianceMode = .edit
  let place: SimulationPlace
  private(set) var actionCounts: [Action: Int] = [:]
  private let inbox = Inbox()
  private let sources: SeededRandom
  private(set) var log: [String] = []

  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  /// Answers of the committer.
  final class Inbox: @unchecked Sendable {  // a simulation runs in one task
    var answers: [(id: FileID, ticket: Int, result: Result<Command.Reply, APIError>)] = []
  }

  /// What clients and the operator do.
  enum Action: String, CaseIterable, Hashable, Sendable {
    case uploadSmall, uploadLarge, abort, patch, delete, purge, place, keep, attest, loseIndex, restoreIndex
  }

  init(seed: UInt64, place: SimulationPlace, omitting: Set<SimulatedDisk.OmittedSync> = []) {
    self.seed = seed
    self.place = place
    disk = SimulatedDisk(seed: seed &* 3 &+ 1)
    disk.omitted = omitting
    random = SimulationRandom(seed: seed)
    sources = SeededRandom(seed: seed)
  }

  func run() async throws {
    removeIndex()
    removeFiles("old-index.sqlite")
    defer { removeIndex() }
    try prepare()
    let lives = 3 + random.below(4)
    for life in 0..<lives {
      note("life \(life)")
      try await oneLife()
      crash()
    }
    let digest = try await lastLife()
    if random.percent(50) { disk.cutPower() } else { disk.kill() }
    guard let again = try openForSure() else { throw fail("the store does not open a second time") }
    guard try await verify(again) == digest else { throw fail("a second recovery gave another state") }
    again.close()
  }

  // MARK: Lives

  /// In a function of its own, so that the store and its index's connections are gone before the index's files change.
  private func oneLife() async throws {
    guard let store = try open() else { return }
    try resolve(store)
    plan()
    await live(store)
    collect()
    // The requests die with the process; their uploads are not tidied up.
    uploads.forEach { $0.forget() }
    uploads = []
  }

  /// Changes until the plan strikes or the life is over.
  private func live(_ store: Store) async {
    for _ in 0..<(5 + random.below(40)) {
      if disk.isDown || store.readOnlyReason != nil { return }
      clock.advance(.milliseconds(Int64(random.below(30_000))))
      switch random.below(20) {
      case 0..<6: await upload(store, size: random.below(1500))
      case 6..<8: await upload(store, size: 2000 + random.below(9000))
      case 8..<11: change(store)
      case 11: gone(store)
      case 12:
        did(.place)
        store.shared.placements.place(upTo: 1 + random.below(3))
      case 13:
        did(.keep)
        store.keeper.run()
      case 14: takeIndexSnapshot()
      case 15:
        did(.attest)
        store.committer.attest()
      default:
        store.step()
        collect()
      }
    }
    if random.percent(30), !disk.isDown { store.flush() }
  }

  private func upload(_ store: Store, size: Int) async {
    var draft = FileDraft(filename: ["отчёт.pdf", "a b.txt", "x"][random.below(3)], uploadedBy: "tester")
    if random.percent(50) { draft.id = .random(sources) }
    let bytes = random.bytes(size)
    did(size > configuration.smallDocumentBytesMax ? .uploadLarge : .uploadSmall)
    do throws(APIError) {
      let upload = try store.beginUpload(draft)
      var start = 0
      while start < bytes.count {
        let end = min(bytes.count, start + 1 + random.below(4000))
        try upload.take(Array(bytes[start..<end]))
        start = end
      }
      if random.percent(5) {
        did(.abort)
        return upload.abort()
      }
      let prepared = try await upload.prepare(expected: nil, attributes: nil)
      submit(store, .put(prepared.document), upload.id, .put(bytes)) { upload.abort() }
      uploads.append(upload)
    } catch {
      // Refused before anything was promised.
    }
  }

  /// Kept until the committer has answered, as their requests would be.
  private var uploads: [Upload] = []

  private func change(_ store: Store) {
    guard let id = pick(), let document = model.expected(id), document.status == .active else { return }
    if random.percent(70) {
      let text = "d\(random.below(1000))"
      did(.patch)
      submit(store, .patch(id, FilePatch(description: .some(text))), id, .describe(text))
    } else {
      did(.delete)
      submit(store, .delete(id), id, .delete)
    }
  }

  private func gone(_ store: Store) {
    guard let id = pick(), let document = model.expected(id), document.status != .active else { return }
    clock.advance(.seconds(1))
    did(.purge)
    submit(store, .purge(id, before: clock.now()), id, .purge)
  }

  private func pick() -> FileID? {
    let ids = model.ids
    return ids.isEmpty ? nil : ids[random.below(ids.count)]
  }

  private func submit(
    _ store: Store, _ action: Command.Action, _ id: FileID, _ change: SimulationModel.Change,
    refused: () -> Void = {}
  ) {
    let inbox = inbox
    let ticket = model.submit(id, change)
    do throws(APIError) {
      try store.committer.submit(
        Command(action: action, actor: Actor("tester")) { inbox.answers.append((id, ticket, $0)) })
    } catch {
      model.refuse(id, ticket)
      refused()
    }
  }

  /// Tells the model what was answered.
  private func collect() {
    for answer in inbox.answers {
      switch answer.result {
      case .success(let reply):
        if case .committed(let done) = reply { note("acknowledged \(answer.id) at LSN \(done.position.lsn)") }
        model.acknowledge(answer.id, answer.ticket)
      // A store that stopped does not know either.
      case .failure(let error) where error.code == .readOnly: break
      case .failure: model.refuse(answer.id, answer.ticket)
      }
    }
    inbox.answers = []
  }

  // MARK: Crashes

  private func plan() {
    switch random.below(10) {
    case 0..<3: disk.faults.powerCutAt = disk.steps + 1 + random.below(120)
    case 3..<5:
      disk.faults.powerCutAtPoint = (CrashPoint.allCases[random.below(CrashPoint.allCases.count)], 1 + random.below(6))
    case 5..<9:
      disk.faults.failAt = disk.steps + 1 + random.below(80)
      disk.faults.failure =
        [SimulatedDisk.Fault.writeFailed, .syncFailed, .renameFailed, .otherFailed, .full][random.below(5)]
      disk.faults.fullCalls = 1 + random.below(20)
      // Renames are rare: wait for the first ones, or none would fail.
      if disk.faults.failure == .renameFailed { disk.faults.failAt = disk.steps + 1 + random.below(8) }
    default: break
    }
  }

  private func crash() {
    if disk.isDown || random.percent(60) {
      note("power cut")
      disk.cutPower()
      loseIndex()
    } else {
      note("killed")
      disk.kill()
      if random.percent(10) { removeIndex() }
    }
  }

  private func lastLife() async throws -> String {
    guard let store = try openForSure() else { throw fail("the store does not open without faults") }
    return try await verify(store)
  }

  /// Opens; faults may strike during recovery, then it is tried again.
  private func open() throws -> Store? {
    if random.percent(30) {
      disk.faults.powerCutAt = disk.steps + 1 + random.below(40)
    } else if random.percent(20) {
      disk.faults.powerCutAtPoint = ([.recoveryCopied, .recoveryRenamed, .recoveryRedone][random.below(3)], 1)
    }
    if let store = try attempt() { return store }
    disk.cutPower()
    loseIndex()
    return try openForSure()
  }

  private func openForSure() throws -> Store? {
    disk.faults = SimulatedDisk.FaultPlan()
    return try attempt()
  }

  private func attempt() throws -> Store? {
    do throws(StoreError) {
      let store = try Store.open(configuration, disk: disk, time: clock, random: sources)
      if store.rebuild != nil { store.finishRebuild() }
      if disk.isDown { return nil }
      disk.faults = SimulatedDisk.FaultPlan()
      let summary = store.summary
      note("opened at LSN \(summary.lastLSN), checkpoint \(summary.checkpointLSN), rebuilt \(store.rebuild != nil)")
      return store
    } catch {
      note("did not open: \(error)")
      if disk.isDown { return nil }
      throw fail("the store does not open: \(error)")
    }
  }

  var configuration: StoreConfiguration {
    var configuration = StoreConfiguration(
      dataDirectory: "/data", journalDirectory: "/wal", indexDirectory: place.scratch, initialMode: mode)
    configuration.runsThreads = false
    configuration.smallDocumentBytesMax = 2000
    configuration.segmentBytesMax = 24_000
    configuration.unplacedBytesMax = 6000
    configuration.headroomBytes = 0
    configuration.archiveBytesMax = 12_000
    return configuration
  }

  private func prepare() throws {
    for directory in ["/data", "/wal"] {
      try disk.makeDirectory(directory)
      try disk.syncDirectory("/")
    }
  }

  func did(_ action: Action) { actionCounts[action, default: 0] += 1 }

  func note(_ line: String) {
    disk.trace.add(line)
    if log.count < 1000 { log.append(line) }
  }

  func fail(_ reason: String) -> Failure { Failure(description: "seed \(seed): \(reason)") }
}
