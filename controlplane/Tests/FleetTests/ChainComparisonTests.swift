import Core
import Crypto
import StorageAPI
import Testing

@testable import Fleet

/// Pins against pages of a chain, without an appliance. Segment `n` begins at LSN `10 n - 9`, and its header names the
/// hash `n - 1`, unless a test says otherwise.
@Suite struct ChainComparisonTests {
  private static func head(_ number: Int) -> Checksum { SHA256.digest([UInt8(number)]) }

  private static func chain(_ numbers: ClosedRange<Int>, epoch: UInt64 = 1) -> [JournalChain.Link] {
    numbers.map {
      JournalChain.Link(
        number: UInt64($0), epoch: epoch, firstLSN: UInt64($0 * 10 - 9), previous: head($0 - 1))
    }
  }

  private static func pins(_ numbers: ClosedRange<Int>, epoch: Int64 = 1) -> [ChainPin] {
    numbers.map { ChainPin(epoch: epoch, lsn: Int64($0 * 10 - 10), head: head($0 - 1), segment: Int64($0)) }
  }

  /// Walks to the end, as with `contents`.
  private func verdict(
    _ pins: [ChainPin], _ chain: [JournalChain.Link], prunedLSN: UInt64 = 0, epoch: Int64 = 1
  ) -> JournalVerdict {
    var comparison = ChainComparison(pins, epoch: epoch)
    var left = chain
    while !left.isEmpty {
      let page = JournalChain(epoch: UInt64(epoch), segments: left.suffix(3).reversed(), prunedLSN: prunedLSN)
      left.removeLast(min(3, left.count))
      if let problem = comparison.take(page) { return .rewritten(problem) }
    }
    return comparison.problemAtEnd().map { .rewritten($0) } ?? comparison.verdict
  }

  private func isRewritten(_ verdict: JournalVerdict) -> Bool { verdict.isDamage }

  @Test func whatIsAsItWasIsSound() {
    #expect(verdict(Self.pins(2...8), Self.chain(1...9)) == .sound(pins: 7))
    #expect(verdict(Self.pins(2...8), Self.chain(5...9), prunedLSN: 40) == .sound(pins: 4))
    #expect(verdict(Self.pins(2...3), Self.chain(5...9), prunedLSN: 40).name == "unchecked")
    // More is pruned while it is looked at.
    #expect(verdict(Self.pins(2...8), Self.chain(5...9), prunedLSN: 60) == .sound(pins: 4))
  }

  @Test func aHeadElsewhereThanItWasPinnedIsFound() {
    var chain = Self.chain(1...9)
    chain[3] = JournalChain.Link(number: 4, epoch: 1, firstLSN: 31, previous: Self.head(77))
    #expect(isRewritten(verdict(Self.pins(2...8), chain)))
    // Shorter than it was, and begun anew beside an anchor that swallows all of history.
    #expect(isRewritten(verdict(Self.pins(2...8), Self.chain(1...7))))
    let anew = JournalChain.Link(number: 1, epoch: 1, firstLSN: 91, previous: Self.head(0))
    #expect(isRewritten(verdict(Self.pins(2...8), [anew], prunedLSN: 90)))
    #expect(isRewritten(verdict(Self.pins(2...8), [])))
  }

  @Test func whatWasTakenAwayIsMissed() {
    #expect(isRewritten(verdict(Self.pins(2...8), Self.chain(5...9), prunedLSN: 30)), "pruning says less")
    #expect(isRewritten(verdict(Self.pins(2...3), Self.chain(5...9), prunedLSN: 90)), "pruning says more than all")
    var chain = Self.chain(1...9)
    chain.remove(at: 4)
    #expect(isRewritten(verdict(Self.pins(2...3), chain)))
  }

  @Test func bytesThatAreNotWhatTheNextHeaderSaysAreFound() {
    var chain = Self.chain(1...9)
    for place in 0..<8 { chain[place].hash = chain[place + 1].previous }
    #expect(verdict(Self.pins(2...8), chain) == .sound(pins: 7))
    chain[2].hash = Self.head(66)
    #expect(isRewritten(verdict(Self.pins(2...8), chain)))
    chain[2].hash = nil
    chain[2].problem = "the archive does not decompress"
    #expect(isRewritten(verdict(Self.pins(2...8), chain)))
  }

  /// A copy that was restored and adopted has lost what came after it, but its past must be what it was.
  @Test func aNewLifeKeepsThePastOfTheOldOne() {
    let pins = Self.pins(2...8) + Self.pins(6...6, epoch: 2)
    let adopted = Self.chain(1...5) + Self.chain(6...7, epoch: 2)
    #expect(verdict(pins, adopted, epoch: 2) == .sound(pins: 5))
    var rewritten = adopted
    rewritten[2] = JournalChain.Link(number: 3, epoch: 1, firstLSN: 21, previous: Self.head(77))
    #expect(isRewritten(verdict(pins, rewritten, epoch: 2)))
  }

  @Test func pinsWithoutASegmentAreLookedForByTheirHash() {
    let old = Self.pins(2...8).map { ChainPin(epoch: $0.epoch, lsn: $0.lsn, head: $0.head, segment: nil) }
    #expect(verdict(old, Self.chain(1...9)) == .sound(pins: 7))
    #expect(verdict(old, Self.chain(5...9), prunedLSN: 40) == .sound(pins: 4))
    var chain = Self.chain(1...9)
    chain[3] = JournalChain.Link(number: 4, epoch: 1, firstLSN: 31, previous: Self.head(77))
    #expect(isRewritten(verdict(old, chain)))
  }
}
