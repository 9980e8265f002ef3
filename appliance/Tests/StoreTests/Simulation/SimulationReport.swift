import Disk
import FoundationEssentials
import Synchronization

/// What a run over many seeds met.
struct SimulationReport: Sendable {
  var seeds = 0
  /// Each with its seed.
  var failures: [(seed: UInt64, reason: String)] = []
  var points: [CrashPoint: Int] = [:]
  var faults: [SimulatedDisk.Fault: Int] = [:]
  /// What the simulated clients and their operator did.
  var actions: [StoreSimulation.Action: Int] = [:]

  /// How many seeds are simulated at once.
  static var workers: Int { min(2, ProcessInfo.processInfo.activeProcessorCount) }

  /// Simulates the seeds, several at once, each by itself. `untilFailure`: no more after the first that fails.
  static func run(
    _ seeds: [UInt64], omitting: Set<SimulatedDisk.OmittedSync> = [], untilFailure: Bool = false,
    workers: Int = workers
  ) async throws -> SimulationReport {
    let waiting = Waiting(seeds, untilFailure: untilFailure)
    return try await withThrowingTaskGroup(of: SimulationReport.self) { group in
      for _ in 0..<workers {
        group.addTask {
          try await SimulationPlace.with { place in await work(off: waiting, in: place, omitting: omitting) }
        }
      }
      return try await group.reduce(into: SimulationReport()) { $0.add($1) }
    }
  }

  private static func work(
    off waiting: Waiting, in place: SimulationPlace, omitting: Set<SimulatedDisk.OmittedSync>
  ) async -> SimulationReport {
    var report = SimulationReport()
    while let seed = waiting.next(hasFailed: !report.failures.isEmpty) {
      let simulation = StoreSimulation(seed: seed, place: place, omitting: omitting)
      await report.run(simulation, isWordy: waiting.seeds.count == 1)
    }
    return report
  }

  /// The seeds that no worker has taken yet.
  private final class Waiting: Sendable {
    let seeds: [UInt64]
    private let untilFailure: Bool
    private let state = Mutex((index: 0, isOver: false))

    init(_ seeds: [UInt64], untilFailure: Bool) {
      self.seeds = seeds
      self.untilFailure = untilFailure
    }

    func next(hasFailed: Bool) -> UInt64? {
      state.withLock { state in
        if hasFailed, untilFailure { state.isOver = true }
        guard !state.isOver, state.index < seeds.count else { return nil }
        state.index += 1
        return seeds[state.index - 1]
      }
    }
  }

  private mutating func run(_ simulation: StoreSimulation, isWordy: Bool) async {
    do {
      try await simulation.run()
    } catch {
      failures.append((simulation.seed, "\(error)"))
      if isWordy { print(simulation.log.joined(separator: "\n")) }
    }
    seeds += 1
    points.merge(simulation.disk.reachedCounts, uniquingKeysWith: +)
    faults.merge(simulation.disk.faultCounts, uniquingKeysWith: +)
    actions.merge(simulation.actionCounts, uniquingKeysWith: +)
  }

  private mutating func add(_ other: SimulationReport) {
    seeds += other.seeds
    failures += other.failures
    points.merge(other.points, uniquingKeysWith: +)
    faults.merge(other.faults, uniquingKeysWith: +)
    actions.merge(other.actions, uniquingKeysWith: +)
  }

  /// Every count by its name, those that stayed zero included.
  var counts: [(name: String, count: Int)] {
    CrashPoint.allCases.map { ("point \($0.rawValue)", points[$0] ?? 0) }
      + SimulatedDisk.Fault.allCases.map { ("fault \($0.rawValue)", faults[$0] ?? 0) }
      + StoreSimulation.Action.allCases.map { ("action \($0.rawValue)", actions[$0] ?? 0) }
  }

  var neverMet: [String] { counts.filter { $0.count == 0 }.map(\.name) }

  var text: String {
    var lines = ["simulation: \(seeds) seeds, \(failures.count) failures"]
    lines += failures.prefix(20).map { "  \($0.reason); again with: make simulate SEED=\($0.seed)" }
    lines += counts.map { "  \($0.name): \($0.count)" }
    return lines.joined(separator: "\n")
  }

  /// For `make simulate`, which merges many.
  func write(to path: String) throws {
    struct Counts: Encodable {
      let seeds: Int
      let failures: [String: String]
      let counts: [String: Int]
    }
    let content = Counts(
      seeds: seeds,
      failures: Dictionary(failures.map { ("\($0.seed)", $0.reason) }) { first, _ in first },
      counts: Dictionary(uniqueKeysWithValues: counts.map { ($0.name, $0.count) }))
    try JSONEncoder().encode(content).write(to: URL(filePath: path))
  }
}
