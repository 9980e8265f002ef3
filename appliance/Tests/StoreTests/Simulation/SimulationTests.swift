import Disk
import FoundationEssentials
import Testing

@Suite struct SimulationTests {
  /// 1,000 seeds, half of them fresh. `SIMULATION_SEEDS` changes the number, `SIMULATION_FROM` makes all of them those
  /// from there on, `SIMULATION_SEED` replays one and prints what happened; `SIMULATION_REPORT` names a file for the
  /// report.
  @Test func nothingAcknowledgedIsLostSimulation() async throws {
    let environment = ProcessInfo.processInfo.environment
    let count = environment["SIMULATION_SEEDS"].flatMap { Int($0) } ?? 1000
    var seeds = (0..<count / 2).map(UInt64.init)
    if let one = environment["SIMULATION_SEED"].flatMap({ UInt64($0) }) {
      seeds = [one]
    } else if let first = environment["SIMULATION_FROM"].flatMap({ UInt64($0) }) {
      seeds = (0..<count).map { first + UInt64($0) }
    } else {
      let fresh = UInt64.random(in: 1 << 32...1 << 48)
      print("simulation: fresh seeds from \(fresh)")
      seeds += (0..<count - count / 2).map { fresh + UInt64($0) }
    }
    let report = try await SimulationReport.run(seeds)
    print(report.text)
    if let path = environment["SIMULATION_REPORT"] { try report.write(to: path) }
    for failure in report.failures.prefix(5) {
      Issue.record("\(failure.reason); again with: make simulate SEED=\(failure.seed)")
    }
    #expect(report.failures.isEmpty)
    if environment["SIMULATION_FROM"] == nil, seeds.count >= 100 {
      #expect(report.neverMet.isEmpty, "never met: \(report.neverMet)")
    }
  }

  /// A seed is all that decides: the same calls in the same order, with the same bytes.
  @Test func aSeedReplaysExactlySimulation() async throws {
    for seed in [UInt64.random(in: 1 << 32...1 << 48), 1, 2, 3, 5, 8, 13, 21] {
      let traces = try await SimulationPlace.with { place in
        var traces: [SimulatedDisk.Trace] = []
        for _ in 0..<2 {
          let simulation = StoreSimulation(seed: seed, place: place)
          try await simulation.run()
          traces.append(simulation.disk.trace)
        }
        return traces
      }
      #expect(traces[0] == traces[1], "seed \(seed)")
      #expect(traces[0].calls > 100)
    }
  }

  /// The check can fail: a build that leaves out a sync loses documents, and the simulation says so.
  @Test(arguments: SimulatedDisk.OmittedSync.allCases)
  func aSyncLeftOutIsCaughtSimulation(_ omitted: SimulatedDisk.OmittedSync) async throws {
    let report = try await SimulationReport.run((0..<60).map(UInt64.init), omitting: [omitted], untilFailure: true)
    #expect(!report.failures.isEmpty)
  }
}
