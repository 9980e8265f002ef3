internal import Core
internal import HTTP
internal import Synchronization
internal import Telemetry

/// How many failed attempts to prove who one is an address and an account have left. An attempt is taken from both
/// before anything is looked at and given back when it succeeds: parallel guesses get no more than guesses one by one,
/// and who has the right secret is never counted. A budget that is drained again before it was full fills half as fast
/// as the last time. Kept in memory: each replica has its own, the database is not asked about strangers.
///
/// Nobody can lock another out: an address from which an account has signed in has a budget of its own for it, which
/// strangers do not drain, not even behind the same gateway; and a right client secret passes drained budgets.
final class AttemptBudgets: Sendable {
  enum Endpoint: String, Sendable { case login, refresh, token, introspect, revoke }

  struct Limit: Sendable {
    let attempts: Int
    /// One attempt comes back after this.
    let refill: Duration
  }

  static let perAddress = Limit(attempts: 60, refill: .seconds(2))
  static let perAccount = Limit(attempts: 30, refill: .seconds(10))
  /// Refill becomes at most 2^5 times slower.
  fileprivate static let slowdownsMax = 5
  /// Budgets and known places remembered: 20 MiB at most.
  fileprivate static let remembered = 50_000

  fileprivate struct Budget {
    var left: Double
    var at: Duration
    var slowdowns = 0
    var wasFull = true

    mutating func fill(_ limit: Limit, now: Duration) {
      let pace = limit.refill.inSeconds * Double(1 << slowdowns)
      left = min(Double(limit.attempts), left + max(0, (now - at).inSeconds) / pace)
      at = now
      if left >= Double(limit.attempts) { (wasFull, slowdowns) = (true, 0) }
    }

    /// Seconds until one attempt is there again; nil when one was taken.
    mutating func take(_ limit: Limit, now: Duration) -> Int? {
      fill(limit, now: now)
      if left >= 1 {
        left -= 1
        if left < 1 {
          if !wasFull { slowdowns = min(slowdowns + 1, AttemptBudgets.slowdownsMax) }
          wasFull = false
        }
        return nil
      }
      return max(1, Int(((1 - left) * limit.refill.inSeconds * Double(1 << slowdowns)).rounded(.up)))
    }
  }

  fileprivate struct State {
    var budgets: [String: Budget] = [:]
    /// Where accounts have signed in from, and when last.
    var known: [String: Duration] = [:]
  }

  /// One attempt, to be told how it ended.
  struct Attempt: Sendable {
    let endpoint: Endpoint
    /// Seconds until a budget it needs is not drained any more; nil: none is.
    let wait: Int?
    fileprivate let place: String
    fileprivate let taken: [(key: String, limit: Limit)]
  }

  private let time: any TimeSource
  private let outcomes: Counter
  private let state = Mutex(State())

  init(time: any TimeSource, metrics: MetricsRegistry) {
    self.time = time
    outcomes = metrics.counter(
      "cp_auth_attempts_total", help: "Attempts to prove who one is, by how they ended: ok, refused, limited.",
      labels: ["endpoint", "outcome"])
  }

  func begin(_ endpoint: Endpoint, address: String, account: String) -> Attempt {
    let now = time.uptime()
    let address = "from \(Self.network(of: address))"
    let account = "account \(account.lowercased().cut(to: 256))"
    let place = "\(account) \(address)"
    return state.withLock { state in
      state.makeRoom(now: now)
      let isKnown = state.known[place] != nil
      let needed = isKnown ? [(place, Self.perAccount)] : [(address, Self.perAddress), (account, Self.perAccount)]
      var taken: [(String, Limit)] = []
      var wait: Int?
      for (key, limit) in needed {
        if let seconds = state.take(key, limit, now) {
          wait = max(wait ?? 0, seconds)
        } else {
          taken.append((key, limit))
        }
      }
      return Attempt(endpoint: endpoint, wait: wait, place: place, taken: taken)
    }
  }

  /// RATE_LIMITED with `Retry-After` when a budget is drained: where looking at the proof costs much, before that; else
  /// in place of the answer that it is wrong.
  func requireBudget(_ attempt: Attempt) throws(APIError) {
    guard let seconds = attempt.wait else { return }
    outcomes.increment(attempt.endpoint.rawValue, "limited")
    throw APIError(
      .rateLimited, "too many failed attempts from this address or for this account; try again in \(seconds) s",
      headers: ["Retry-After": String(seconds)])
  }

  func succeeded(_ attempt: Attempt) {
    let now = time.uptime()
    state.withLock { state in
      for (key, limit) in attempt.taken { state.giveBack(key, limit) }
      state.known[attempt.place] = now
    }
    outcomes.increment(attempt.endpoint.rawValue, "ok")
  }

  func failed(_ attempt: Attempt) { outcomes.increment(attempt.endpoint.rawValue, "refused") }

  /// An IPv6 customer has a /64 to choose addresses from: it counts as one.
  static func network(of address: String) -> String {
    guard address.contains(":"), !address.contains(".") else { return address }
    let halves = address.split(separator: "::", maxSplits: 1, omittingEmptySubsequences: false)
    var groups = halves[0].split(separator: ":").map(String.init)
    if halves.count == 2 {
      let tail = halves[1].split(separator: ":").count
      groups += Array(repeating: "0", count: max(0, 8 - groups.count - tail))
    }
    return groups.prefix(4).joined(separator: ":") + "/64"
  }
}

extension AttemptBudgets.State {
  fileprivate mutating func take(_ key: String, _ limit: AttemptBudgets.Limit, _ now: Duration) -> Int? {
    budgets[key, default: .init(left: Double(limit.attempts), at: now)].take(limit, now: now)
  }

  fileprivate mutating func giveBack(_ key: String, _ limit: AttemptBudgets.Limit) {
    guard let left = budgets[key]?.left else { return }
    budgets[key]?.left = min(Double(limit.attempts), left + 1)
  }

  /// Full ones tell nothing; if there still are too many, any half goes.
  fileprivate mutating func makeRoom(now: Duration) {
    if budgets.count > AttemptBudgets.remembered {
      budgets = budgets.filter { now - $0.value.at < .seconds(600) }
      if budgets.count > AttemptBudgets.remembered {
        budgets = Dictionary(uniqueKeysWithValues: budgets.dropFirst(AttemptBudgets.remembered / 2).map { ($0, $1) })
      }
    }
    if known.count > AttemptBudgets.remembered {
      let newest = known.sorted { $0.value > $1.value }.prefix(AttemptBudgets.remembered / 2)
      known = Dictionary(uniqueKeysWithValues: newest.map { ($0.key, $0.value) })
    }
  }
}
