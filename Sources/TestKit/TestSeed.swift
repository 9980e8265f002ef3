public import Core
internal import FoundationEssentials

/// Randomness for property tests: a new seed each run, printed, and the same run again with `ARTSTORE_TEST_SEED`.
public struct TestSeed: Sendable, CustomStringConvertible {
  public let seed: UInt64
  public let random: SeededRandom

  public init() {
    let given = ProcessInfo.processInfo.environment["ARTSTORE_TEST_SEED"].flatMap(UInt64.init)
    seed = given ?? SystemRandom().uint64()
    random = SeededRandom(seed: seed)
  }

  /// For a failure's message.
  public var description: String { "again with ARTSTORE_TEST_SEED=\(seed)" }

  /// 0 ..< bound
  public func below(_ bound: Int) -> Int { Int(random.uint64() % UInt64(bound)) }

  /// Whether an event of one in `count` happens.
  public func oneIn(_ count: Int) -> Bool { below(count) == 0 }
}
