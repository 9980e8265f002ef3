internal import Synchronization

/// Figures for Prometheus. Families are registered once at start; a family registered twice under one name is a
/// programming error and stops the program. Label values come from closed sets: never from what clients send.
public final class MetricsRegistry: Sendable {
  private let families = Mutex<[String: Family]>([:])

  public init() {}

  /// A figure that only grows. Name it `…_total`.
  public func counter(_ name: String, help: String, labels: [String] = []) -> Counter {
    Counter(family: register(name, help: help, kind: .counter, labels: labels))
  }

  /// A figure that goes up and down.
  public func gauge(_ name: String, help: String, labels: [String] = []) -> Gauge {
    Gauge(family: register(name, help: help, kind: .gauge, labels: labels))
  }

  /// A figure that is read when somebody asks.
  public func gauge(_ name: String, help: String, read: @escaping @Sendable () -> Double) {
    _ = register(name, help: help, kind: .gauge, labels: []) { [MetricSample(read())] }
  }

  /// Figures that are read when somebody asks, one for each set of label values.
  public func reading(
    _ name: String, help: String, as type: MetricType = .gauge, labels: [String] = [],
    read: @escaping @Sendable () -> [MetricSample]
  ) {
    let kind: Family.Kind =
      switch type {
      case .counter: .counter
      case .gauge: .gauge
      case .untyped: .untyped
      }
    _ = register(name, help: help, kind: kind, labels: labels, read: read)
  }

  /// Observations in buckets with upper bounds `buckets`, ascending.
  public func histogram(_ name: String, help: String, buckets: [Double], labels: [String] = []) -> Histogram {
    precondition(!buckets.isEmpty && zip(buckets, buckets.dropFirst()).allSatisfy(<), "\(name): buckets must ascend")
    return Histogram(family: register(name, help: help, kind: .histogram(buckets), labels: labels))
  }

  /// Prometheus text exposition format 0.0.4, families in the order of their names. `only`: an allow-list of names.
  public func render(only: Set<String>? = nil) -> [UInt8] {
    let chosen = families.withLock { families in
      families.filter { only?.contains($0.key) ?? true }.sorted { $0.key < $1.key }
    }
    var text = ""
    for (_, family) in chosen { family.render(into: &text) }
    return Array(text.utf8)
  }

  private func register(
    _ name: String, help: String, kind: Family.Kind, labels: [String],
    read: (@Sendable () -> [MetricSample])? = nil
  ) -> Family {
    precondition(Self.isName(name) && labels.allSatisfy(Self.isName), "\(name) \(labels): not names of Prometheus")
    return families.withLock { families in
      precondition(families[name] == nil, "the metric \(name) is registered twice")
      let family = Family(name: name, help: help, kind: kind, labels: labels, read: read)
      families[name] = family
      return family
    }
  }
}

extension MetricsRegistry {
  /// Letters, digits and `_`, no digit first; `le` is the histograms' own.
  private static func isName(_ text: String) -> Bool {
    let isLetter: (UInt8) -> Bool = { ($0 | 0x20) >= 0x61 && ($0 | 0x20) <= 0x7A || $0 == 0x5F }
    guard let first = text.utf8.first, isLetter(first), text != "le" else { return false }
    return text.utf8.allSatisfy { isLetter($0) || (0x30...0x39).contains($0) }
  }
}

/// A figure that only grows.
public struct Counter: Sendable {
  let family: Family

  /// Adds to the series with these label values, in the order the labels were declared.
  public func increment(by amount: Double = 1, _ values: String...) {
    assert(amount >= 0, "counters never go down")
    family.update(values) { $0.value += amount }
  }

  public func value(_ values: String...) -> Double { family.read(values).value }

  /// One series, for whoever adds to it often: looked up once.
  public func series(_ values: String...) -> CounterSeries { CounterSeries(cell: family.cell(values).part()) }
}

/// One series of a counter.
public struct CounterSeries: Sendable {
  let cell: Family.Cell

  public func increment(by amount: Double = 1) {
    assert(amount >= 0, "counters never go down")
    cell.update { $0.value += amount }
  }
}

/// A figure that goes up and down.
public struct Gauge: Sendable {
  let family: Family

  public func set(_ value: Double, _ values: String...) { family.update(values) { $0.value = value } }

  public func add(_ amount: Double, _ values: String...) { family.update(values) { $0.value += amount } }

  public func value(_ values: String...) -> Double { family.read(values).value }
}

/// Observations in buckets.
public struct Histogram: Sendable {
  let family: Family

  public func observe(_ value: Double, _ values: String...) {
    HistogramSeries(cell: family.cell(values), bounds: bounds).observe(value)
  }

  /// One series, for whoever observes often: looked up once.
  public func series(_ values: String...) -> HistogramSeries {
    HistogramSeries(cell: family.cell(values).part(), bounds: bounds)
  }

  private var bounds: [Double] {
    if case .histogram(let bounds) = family.kind { bounds } else { [] }
  }
}

/// One series of a histogram.
public struct HistogramSeries: Sendable {
  let cell: Family.Cell
  let bounds: [Double]

  public func observe(_ value: Double) {
    cell.update { series in
      series.value += value
      series.count += 1
      let bucket = bounds.firstIndex { value <= $0 } ?? bounds.count
      if series.buckets.isEmpty { series.buckets = Array(repeating: 0, count: bounds.count + 1) }
      series.buckets[bucket] += 1
    }
  }
}

/// How Prometheus is told to take a figure that is read.
public enum MetricType: Sendable { case counter, gauge, untyped }

/// One value of a figure, with its label values in the order in which the labels were declared.
public struct MetricSample: Sendable {
  public let labels: [String]
  public let value: Double

  public init(_ value: Double, labels: [String] = []) {
    self.labels = labels
    self.value = value
  }
}
