internal import Core
internal import StorageAPI
internal import Store

/// What listing and feed cost on a store as large as it is.
enum Reads {
  static func run(_ options: StoreBench.Options) async throws -> Figures {
    let time = SystemTime()
    let before = time.uptime()
    let store = try StoreBench.open(options)
    let opened = StoreBench.seconds(time.uptime() - before)
    defer { store.close() }
    var cursors: [String?] = [nil]
    var query = ListQuery(limit: 1000)
    var records = 0
    // Once for the cursors and to have the index in the page cache, once for the clock.
    _ = try await walk(store, &query) { cursors.append($0) }
    let began = time.uptime()
    query.cursor = nil
    records = try await walk(store, &query) { _ in }
    let walked = StoreBench.seconds(time.uptime() - began)
    var worst = 0.0
    for depth in 0...10 {
      query.cursor = cursors[min(cursors.count - 1, cursors.count * depth / 10)]
      worst = max(worst, try await median(of: 15, time) { _ = try await store.list(query) })
    }
    let feed = try await changes(store, time)
    return [
      ("documents", Double(records)), ("open_seconds", opened), ("page_ms", worst * 1000),
      ("walk_rate", Double(records) / walked), ("feed_ms", feed * 1000),
    ]
  }

  private static func walk(
    _ store: Store, _ query: inout ListQuery, _ visit: (String) -> Void
  ) async throws -> Int {
    var count = 0
    while true {
      let page = try await store.list(query)
      count += page.count
      guard page.hasMore, let next = page.nextCursor else { return count }
      visit(next)
      query.cursor = next
    }
  }

  /// The newest thousand changes, read from just before them.
  private static func changes(_ store: Store, _ time: SystemTime) async throws -> Double {
    guard let end = store.summary.position else { throw BenchFailure("the store has no position: it is rebuilding") }
    // Every upload is one record; incarnations and checkpoints take LSNs of their own, so a few less may be found.
    let start = Position(
      epoch: end.epoch, generation: end.generation, incarnation: end.incarnation,
      lsn: end.lsn > 1000 ? end.lsn - 1000 : 0)
    var found = 0
    let seconds = try await median(of: 15, time) {
      found = try await store.changes(after: start, limit: 1000, wait: .zero).count
    }
    guard found >= 900 else { throw BenchFailure("the feed gave \(found) changes instead of about 1000") }
    return seconds
  }

  private static func median(of rounds: Int, _ time: SystemTime, _ body: () async throws -> Void) async throws -> Double
  {
    var all: [Double] = []
    for _ in 0..<rounds {
      let began = time.uptime()
      try await body()
      all.append(StoreBench.seconds(time.uptime() - began))
    }
    return all.sorted()[rounds / 2]
  }
}
