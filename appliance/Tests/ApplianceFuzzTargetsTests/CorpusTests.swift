import ApplianceFuzzTargets
import FuzzTargets
import TestKit
import Testing

/// What the fuzzer once found stays found: every file of the corpus through the very bodies that `make fuzz` runs.
struct CorpusTests {
  @Test(arguments: FuzzTarget.appliance.map(\.name))
  func nothingInTheCorpusViolatesAnything(_ name: String) throws {
    let target = try #require(FuzzTarget.appliance.first { $0.name == name })
    let files = try target.corpus()
    #expect(files.count >= 5, "a corpus without seeds teaches the fuzzer nothing")
    for (file, input) in files {
      #expect(target.violation(on: input)?.description == nil, "\(file)")
    }
  }

  /// A little of what the fuzzer does, on every run of the tests.
  @Test(arguments: FuzzTarget.appliance.map(\.name))
  func damagedSeedsViolateNothing(_ name: String) throws {
    let target = try #require(FuzzTarget.appliance.first { $0.name == name })
    let seed = TestSeed()
    for (file, input) in try target.corpus() where !input.isEmpty {
      for _ in 0..<40 {
        var damaged = input
        for _ in 0...seed.below(3) { damaged[seed.below(damaged.count)] = UInt8(seed.below(256)) }
        if seed.oneIn(3) { damaged.removeLast(seed.below(damaged.count)) }
        #expect(target.violation(on: damaged)?.description == nil, "\(file) damaged: \(seed)")
      }
    }
  }
}
