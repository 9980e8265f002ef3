public import Core
internal import HTTP
public import Store

/// Expires temporary documents whose time has come and removes, after a grace, what has expired or was deleted.
/// Refuses to act while the clock is untrusted: a wrong clock would remove documents years too early.
public final class GarbageCollector: Sendable {
  private let store: Store
  private let grace: Duration
  private let time: any TimeSource
  private let isClockTrusted: @Sendable () -> Bool
  private let isPaused: @Sendable () -> Bool
  private static let batch = 256
  /// Documents in one run; the next run goes on.
  private static let runMax = 20_000
  /// How far the clock may stand behind the newest change before it is not believed.
  private static let backwardsMax: Duration = .seconds(2)

  public init(
    _ store: Store, grace: Duration, time: any TimeSource, isPaused: @escaping @Sendable () -> Bool = { false },
    isClockTrusted: @escaping @Sendable () -> Bool
  ) {
    self.isPaused = isPaused
    self.store = store
    self.grace = grace
    self.time = time
    self.isClockTrusted = isClockTrusted
  }

  /// One run; what it did.
  public func run() async throws -> String {
    guard !isPaused() else { return "nothing: paused by the setting upkeep_paused" }
    guard isClockTrusted() else { return "nothing: the clock is not trusted" }
    let now = time.now()
    guard now >= store.newestChange - Self.backwardsMax else { return "nothing: the clock went backwards" }
    guard store.readOnlyReason == nil else { return "nothing: the store is read-only" }
    let expired = try await work({ try store.expired(at: now, limit: Self.batch) }) { id in
      _ = try await self.store.expire(id, by: Actor("gc"))
    }
    let before = now - grace
    let removed = try await work({ try store.removable(before: before, limit: Self.batch) }) { id in
      try await self.store.purge(id, goneBefore: before, by: Actor("gc"))
    }
    let uploads = try await store.collectResumable(now: now)
    try store.pruneTombstones(now: now)
    try store.pruneHistory(now: now)
    return "\(expired) documents expired, \(removed) removed, \(uploads) uploads forgotten"
  }

  /// Takes ids batch by batch; those of a batch share syncs.
  private func work(
    _ next: () throws -> [FileID], _ act: @escaping @Sendable (FileID) async throws -> Void
  ) async throws -> Int {
    var done = 0
    while done < Self.runMax {
      try Task.checkCancellation()
      if isPaused() { break }
      let ids = try next()
      let count = try await withThrowingTaskGroup(of: Int.self) { group in
        for id in ids {
          group.addTask {
            do {
              try await act(id)
              return 1
            } catch let error as APIError where error.code == .notFound {
              return 0  // changed meanwhile: not due any more
            }
          }
        }
        return try await group.reduce(0, +)
      }
      done += count
      if count == 0 { break }
    }
    return done
  }
}
