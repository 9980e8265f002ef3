import Core
import Disk
import Reactor
import StorageAPI
import Synchronization

@testable import Store
@testable import Upkeep

// Garbage collection, reconcile and scrub, and the damage that reconcile mends.
extension StoreSimulation {
  func upkeep(_ store: Store) async throws {
    drain(store)
    guard !disk.isDown, store.readOnlyReason == nil, store.shared.index.state == .ready else { return }
    switch random.below(4) {
    case 0..<2: try await collectGarbage(store)
    case 2:
      store.flush()
      guard !disk.isDown, store.readOnlyReason == nil else { return }
      if isRotting { damage(store) }
      try await reconcile(store)
    default: try await scrub(store)
    }
  }

  private func collectGarbage(_ store: Store) async throws {
    did(.collectGarbage)
    if random.percent(50) { clock.advance(.seconds(Int64(random.below(4 * 86_400)))) }
    let now = clock.now()
    var due: Set<FileID> = []
    for id in model.ids {
      guard let document = model.expected(id) else { continue }
      if document.status != .active {
        _ = model.submit(id, .purge)
      } else if let end = document.expiresAt, end <= now {
        _ = model.submit(id, .expire)
        due.insert(id)
      }
    }
    let collector = GarbageCollector(store, grace: .seconds(3600), time: clock) { true }
    let error = await drive(store) { _ = try await collector.run() }
    guard !disk.isDown, store.readOnlyReason == nil else { return }
    for id in model.ids {
      let found = try shown(store, id)
      if let wrong = model.observe(id, found) { throw fail("after garbage collection: \(wrong)") }
      if error == nil, due.contains(id), found?.status == .active { throw fail("\(id) has not expired in time") }
    }
  }

  /// Takes attributes away, spoils them, adds a document that nobody knows.
  private func damage(_ store: Store) {
    let all = (try? store.documents(after: 0, limit: 1000)) ?? []  // the index is ready: the store runs
    // A full disk may have left some of them in the journal: then there is not even a directory to put anything in.
    let files = disk.files(below: "/data/files")
    let rows = all.filter { files["/data/" + $0.path] != nil }
    guard !rows.isEmpty else { return }
    for _ in 0..<(1 + random.below(2)) {
      let path = "/data/" + rows[random.below(rows.count)].path
      switch random.below(3) {
      case 0: disk.lose(path + ".attr.json")
      case 1: disk.corrupt(path + ".attr.json") { $0 = Array("{ nothing".utf8) }
      default:
        let orphan = "\(RealDisk.parent(of: path))/orphan_\(FileID.random(sources)).pdf"
        disk.plant(orphan, random.bytes(100))
        orphans.insert(orphan)
        did(.orphan)
      }
      isDamaged = true
      did(.damage)
    }
  }

  /// Mends what an interrupted pass left.
  func heal(_ store: Store) async throws {
    for orphan in quarantined {
      let name = orphan.split(separator: "/").last!
      if disk.files(below: "/data/quarantine")["/data/quarantine/\(name)"] != nil { continue }
      // A sync that failed may have dropped the move, which then ends with the next power cut: it is to be done again.
      guard disk.files(below: "/data/files")[orphan] != nil else {
        throw fail("\(orphan) was set aside and is not there any more")
      }
      quarantined.remove(orphan)
      orphans.insert(orphan)
      isDamaged = true
    }
    guard isDamaged, !disk.isDown else { return }
    let faults = disk.faults
    disk.faults = SimulatedDisk.FaultPlan()
    store.flush()
    try await reconcile(store)
    if isDamaged { try await reconcile(store) }
    disk.faults = faults
    if isDamaged { throw fail("reconcile does not come to its end without faults") }
  }

  private func reconcile(_ store: Store) async throws {
    did(.reconcile)
    let places = UpkeepPlaces(store, time: clock)
    // What waits to be put in place, as on a full disk, is left to a later pass; and one that goes on where another
    // stopped does not see what was damaged behind it since.
    let isWhole =
      store.shared.placements.placedThrough >= store.summary.lastLSN && places.content.reconcile == nil
    let clock = clock
    let pool = BlockingPool(name: "simulation", threads: 1, queueLimit: 16)
    let error = await drive(store) {
      _ = try await Reconcile(store, places: places, grace: .seconds(600), time: clock).run(on: pool, Self.pace(clock))
    }
    pool.shutdown()
    note("reconcile ended: \(error.map { "\($0)" } ?? "well")")
    guard isWhole, !disk.isDown, store.readOnlyReason == nil, error == nil else { return }
    for orphan in orphans {
      guard disk.files(below: "/data/files")[orphan] == nil else { throw fail("\(orphan) was not set aside") }
      quarantined.insert(orphan)
    }
    orphans = []
    isDamaged = false
  }

  private func scrub(_ store: Store) async throws {
    did(.scrub)
    store.flush()
    guard !disk.isDown, store.readOnlyReason == nil else { return }
    let scrub = Scrub(store, places: UpkeepPlaces(store, time: clock), window: .seconds(86_400), time: clock)
    let clock = clock
    let pool = BlockingPool(name: "simulation", threads: 1, queueLimit: 16)
    _ = await drive(store) { _ = try await scrub.run(on: pool, Self.pace(clock)) }
    pool.shutdown()
    if !disk.isDown, !store.damaged.isEmpty { throw fail("scrub found damage that nobody did: \(store.damaged)") }
  }

  private static func pace(_ clock: TestClock) -> Pace {
    Pace(time: clock, bytesPerSecond: .max, itemsPerSecond: .max, runMax: nil) { false }
  }

  /// How a pass ended; nil while it runs.
  private final class Outcome: Sendable {
    private let state = Mutex<Result<Void, any Error>?>(nil)
    var result: Result<Void, any Error>? { state.withLock { $0 } }
    func end(_ result: Result<Void, any Error>) { state.withLock { $0 = result } }
  }

  /// Runs a pass to its end and commits what it asks for, as the store's threads would; its error. Everything happens
  /// in an order that the seed decides: the pass's own thread works only while nothing else does.
  private func drive(_ store: Store, _ pass: @escaping @Sendable () async throws -> Void) async -> (any Error)? {
    let outcome = Outcome()
    return await withTaskGroup(of: Void.self) { group in
      group.addTask {
        do {
          try await pass()
          outcome.end(.success(()))
        } catch {
          outcome.end(.failure(error))
        }
      }
      while true {
        await Task.yield()
        guard place.isIdle else { continue }
        if store.committer.step() > 0 { continue }
        switch outcome.result {
        case .success?: return nil
        case .failure(let error)?: return error
        case nil: place.awaitJob()
        }
      }
    }
  }
}
