import Core
import Testing

@testable import Catalogue

@Suite struct CapacityTrendTests {
  private func points(_ count: Int, hours: Int = 2, _ used: (Int) -> Int) -> [CapacityTrend.Point] {
    (0..<count).map { place in
      CapacityTrend.Point(
        at: Timestamp(seconds: 1_790_000_000) + .seconds(place * hours * 3600), usedBytes: used(place),
        availableBytes: 100_000 - used(place))
    }
  }

  @Test func aSteadyPaceIsFoundInNoise() throws {
    // 1200 bytes a day, up and down by 300.
    let trend = CapacityTrend(points(120) { 10_000 + $0 * 100 + ($0 % 2 == 0 ? 300 : -300) })
    #expect(abs(try #require(trend.bytesPerDay) - 1200) < 10)
    #expect(abs(try #require(trend.daysToFull) - 78_400 / 1200) < 1)
  }

  @Test func tooLittleHistorySaysNothing() {
    #expect(CapacityTrend([]).bytesPerDay == nil)
    #expect(CapacityTrend(points(12) { $0 }).bytesPerDay == nil, "22 hours")
    #expect(CapacityTrend(points(5, hours: 24) { $0 }).bytesPerDay == nil, "four days, but five points")
    #expect(CapacityTrend(points(13) { $0 }).bytesPerDay != nil)
  }

  @Test func whatDoesNotFillHasNoDay() {
    #expect(CapacityTrend(points(50) { _ in 700 }).daysToFull == nil)
    let emptying = CapacityTrend(points(50) { 70_000 - $0 })
    #expect(emptying.bytesPerDay! < 0 && emptying.daysToFull == nil)
    let crawling = CapacityTrend(points(50) { $0 / 49 })
    #expect(crawling.daysToFull == nil, "in more than a hundred years")
  }
}
