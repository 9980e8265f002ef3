import Testing

@testable import Telemetry

@Suite struct MetricsTests {
  let registry = MetricsRegistry()

  @Test func aParserReadsBackEveryKind() throws {
    let plain = registry.counter("x_plain_total", help: "Counts \\ things\nin two lines")
    let labelled = registry.counter("x_labelled_total", help: "By label", labels: ["method", "status"])
    let gauge = registry.gauge("x_gauge", help: "Up and down", labels: ["place"])
    registry.gauge("x_read", help: "Read when asked") { 0.25 }
    let histogram = registry.histogram("x_seconds", help: "How long", buckets: [0.1, 1, 10], labels: ["kind"])
    plain.increment()
    plain.increment(by: 2.5)
    labelled.increment("GET", "200")
    labelled.increment(by: 3, "PUT", "500")
    gauge.set(7, "a\"b\\c\nd")
    gauge.add(-10, "a\"b\\c\nd")
    for value in [0.05, 0.1, 0.5, 100] { histogram.observe(value, "read") }
    let text = try PrometheusText(registry.render())
    #expect(text["x_plain_total"] == 3.5)
    #expect(text["x_labelled_total", ["method": "GET", "status": "200"]] == 1)
    #expect(text["x_labelled_total", ["method": "PUT", "status": "500"]] == 3)
    #expect(text["x_gauge", ["place": "a\"b\\c\nd"]] == -3)
    #expect(text["x_read"] == 0.25)
    #expect(text["x_seconds_bucket", ["kind": "read", "le": "0.1"]] == 2)
    #expect(text["x_seconds_bucket", ["kind": "read", "le": "1"]] == 3)
    #expect(text["x_seconds_bucket", ["kind": "read", "le": "10"]] == 3)
    #expect(text["x_seconds_bucket", ["kind": "read", "le": "+Inf"]] == 4)
    #expect(text["x_seconds_count", ["kind": "read"]] == 4)
    #expect(text["x_seconds_sum", ["kind": "read"]] == 100.65)
    #expect(text.types["x_seconds"] == "histogram" && text.types["x_gauge"] == "gauge")
  }

  @Test func whoCountsOftenHasAPartOfTheSeries() throws {
    let counter = registry.counter("x_total", help: "h", labels: ["kind"])
    let histogram = registry.histogram("x_seconds", help: "h", buckets: [1, 2])
    for _ in 0..<(Family.partsMax + 2) {
      let (counting, observing) = (counter.series("a"), histogram.series())
      counting.increment()
      counting.increment(by: 2)
      observing.observe(1.5)
    }
    counter.increment("a")
    histogram.observe(0.5)
    let parts = Double(Family.partsMax + 2)
    let text = try PrometheusText(registry.render())
    #expect(text["x_total", ["kind": "a"]] == 3 * parts + 1 && counter.value("a") == 3 * parts + 1)
    #expect(text["x_seconds_bucket", ["le": "1"]] == 1 && text["x_seconds_count"] == parts + 1)
    #expect(text["x_seconds_bucket", ["le": "2"]] == parts + 1 && text["x_seconds_sum"] == 1.5 * parts + 0.5)
  }

  @Test func nothingCountedYetIsZeroNotMissing() throws {
    _ = registry.counter("x_total", help: "h")
    _ = registry.histogram("x_seconds", help: "h", buckets: [1])
    let text = try PrometheusText(registry.render())
    #expect(text["x_total"] == 0)
    #expect(text["x_seconds_bucket", ["le": "+Inf"]] == 0)
  }

  @Test func oddNumbersAreWrittenAsTheFormatAsks() throws {
    let gauge = registry.gauge("x", help: "h", labels: ["n"])
    for (name, value) in [
      ("nan", Double.nan), ("inf", .infinity), ("ninf", -.infinity), ("big", 1e300), ("tiny", 1e-9),
    ] {
      gauge.set(value, name)
    }
    gauge.set(9_007_199_254_740_992, "whole")
    let text = try PrometheusText(registry.render())
    #expect(text["x", ["n": "nan"]]?.isNaN == true)
    #expect(text["x", ["n": "inf"]] == .infinity)
    #expect(text["x", ["n": "ninf"]] == -.infinity)
    #expect(text["x", ["n": "big"]] == 1e300)
    #expect(text["x", ["n": "tiny"]] == 1e-9)
    #expect(text["x", ["n": "whole"]] == 9_007_199_254_740_992)
  }

  @Test func anAllowListShowsOnlyItsNames() throws {
    registry.counter("x_open_total", help: "h").increment()
    registry.counter("x_secret_total", help: "h").increment()
    let text = String(decoding: registry.render(only: ["x_open_total"]), as: UTF8.self)
    #expect(text.contains("x_open_total") && !text.contains("secret"))
  }

  @Test func seriesAreBounded() throws {
    let counter = registry.counter("x_total", help: "h", labels: ["who"])
    for number in 0..<3000 { counter.increment("\(number)") }
    let text = try PrometheusText(registry.render())
    #expect(text.samples.count <= 1001)
    #expect(text["x_total", ["who": "other"]] == 2000)
  }

  @Test func countingFromManyTasksLosesNothing() async throws {
    let counter = registry.counter("x_total", help: "h", labels: ["who"])
    await withTaskGroup(of: Void.self) { group in
      for task in 0..<8 { group.addTask { for _ in 0..<1000 { counter.increment("\(task % 2)") } } }
    }
    #expect(counter.value("0") == 4000)
    #expect(counter.value("1") == 4000)
  }
}
