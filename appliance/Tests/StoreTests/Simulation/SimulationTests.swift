import Disk
import FoundationEssentials
import Testing

@Suite struct SimulationTests {
  /// `SIMULATION_SEEDS` seeds (120 unless told), half of them fresh; `SIMULATION_SEED` replays one.
  @Test func nothingAcknowledgedIsLostSimulation() async throws {
    let environment = ProcessInfo.processInfo.environment
    let count = environment["SIMULATION_SEEDS"].flatMap { Int($0) } ?? 120
    var seeds = (0..<count / 2).map(UInt64.init)
    let fresh = UInt64.random(in: 1 << 32...1 << 48)
    seeds += (0..<count - count / 2).map { fresh + UInt64($0) }
    if let one = environment["SIMULATION_SEED"].flatMap({ UInt64($0) }) { seeds = [one] }
    let report = try await SimulationReport.run(seeds)
    print(report.text)
    for failure in report.failures.prefix(5) { Issue.record("\(failure)") }
    #expect(report.failures.isEmpty)
    if seeds.count >= 100 {
      #expect(report.neverReached.isEmpty, "these crash points were never reached: \(report.neverReached)")
      #expect(report.neverDealt.isEmpty, "these faults were never dealt: \(report.neverDealt)")
    }
  }

  /// The check can fail: a build that leaves out a sync loses documents, and the simulation says so.
  @Test(arguments: SimulatedDisk.OmittedSync.allCases)
  func aSyncLeftOutIsCaughtSimulation(_ omitted: SimulatedDisk.OmittedSync) async throws {
    let report = try await SimulationReport.run((0..<60).map(UInt64.init), omitting: [omitted], untilFailure: true)
    #expect(!report.failures.isEmpty)
  }
}

/// What a run over many seeds met.
struct SimulationReport {
  var seeds = 0
  var failures: [String] = []
  var points: [CrashPoint: Int] = [:]
  var faults: [SimulatedDisk.Fault: Int] = [:]

  static func run(
    _ seeds: [UInt64], omitting: Set<SimulatedDisk.OmittedSync> = [], untilFailure: Bool = false
  ) async throws -> SimulationReport {
    let base =
      FileManager.default.fileExists(atPath: "/dev/shm") ? "/dev/shm" : FileManager.default.temporaryDirectory.path
    let scratch = "\(base)/artstore-simulation-\(UInt64.random(in: 0...(.max)))"
    try FileManager.default.createDirectory(atPath: scratch, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: scratch) }  // a temporary directory
    var report = SimulationReport()
    for seed in seeds {
      let simulation = StoreSimulation(seed: seed, scratch: scratch, omitting: omitting)
      do {
        try await simulation.run()
      } catch {
        report.failures.append("\(error)")
        if seeds.count == 1 { print(simulation.log.joined(separator: "\n")) }
      }
      report.seeds += 1
      report.points.merge(simulation.disk.reachedCounts, uniquingKeysWith: +)
      report.faults.merge(simulation.disk.faultCounts, uniquingKeysWith: +)
      if untilFailure, !report.failures.isEmpty { break }
    }
    return report
  }

  var neverReached: [CrashPoint] { CrashPoint.allCases.filter { points[$0] == nil } }
  var neverDealt: [SimulatedDisk.Fault] { SimulatedDisk.Fault.allCases.filter { faults[$0] == nil } }

  var text: String {
    var lines = ["simulation: \(seeds) seeds, \(failures.count) failures"]
    lines += failures.prefix(20).map { "  \($0)" }
    lines += CrashPoint.allCases.map { "  point \($0.rawValue): \(points[$0] ?? 0)" }
    lines += SimulatedDisk.Fault.allCases.map { "  fault \($0.rawValue): \(faults[$0] ?? 0)" }
    return lines.joined(separator: "\n")
  }
}
