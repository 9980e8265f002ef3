import Core
import Telemetry
import Testing

@Suite struct SpanRingTests {
  private func span(_ number: Int) -> TraceSpan {
    TraceSpan(
      traceID: String(repeating: "a", count: 32), spanID: String(repeating: "b", count: 16), parentID: nil,
      name: "\(number)", start: Timestamp(seconds: 0), durationMicroseconds: 1, status: 200, failed: false)
  }

  private func fill(_ ring: SpanRing, _ numbers: Range<Int>) { for number in numbers { ring.record(span(number)) } }

  @Test func pagesFollowOneAnother() {
    let ring = SpanRing(capacity: 10, random: SystemRandom())
    #expect(ring.page(limit: 5).spans.isEmpty)
    fill(ring, 0..<7)
    let first = ring.page(limit: 5)
    #expect(first.spans.map(\.name) == ["0", "1", "2", "3", "4"] && first.hasMore && first.missed == 0)
    let second = ring.page(after: first.cursor, limit: 5)
    #expect(second.spans.map(\.name) == ["5", "6"] && !second.hasMore)
    #expect(ring.page(after: second.cursor, limit: 5).spans.isEmpty)
    fill(ring, 7..<9)
    #expect(ring.page(after: second.cursor, limit: 5).spans.map(\.name) == ["7", "8"])
  }

  @Test func whoComesLateLearnsHowManyWentBefore() {
    let ring = SpanRing(capacity: 10, random: SystemRandom())
    fill(ring, 0..<3)
    let cursor = ring.page(limit: 3).cursor
    fill(ring, 3..<25)
    let late = ring.page(after: cursor, limit: 100)
    #expect(late.missed == 12 && late.spans.map(\.name) == (15..<25).map(String.init))
    #expect(ring.page(limit: 1).missed == 0, "who asks for the first time has missed nothing")
  }

  @Test(arguments: ["", "x", "-1", "deadbeef-3", "deadbeef", "1-2-3"])
  func aCursorOfAnotherLifeBeginsAnew(cursor: String) {
    let ring = SpanRing(capacity: 10, random: SystemRandom())
    fill(ring, 0..<4)
    #expect(ring.page(after: cursor, limit: 100).spans.count == 4)
  }

  @Test func aCursorBeyondTheEndWaitsForWhatComes() {
    let ring = SpanRing(capacity: 10, random: SystemRandom())
    fill(ring, 0..<4)
    let life = ring.page(limit: 1).cursor.prefix(8)
    #expect(ring.page(after: "\(life)-99", limit: 100) == ring.page(after: "\(life)-4", limit: 100))
  }
}
