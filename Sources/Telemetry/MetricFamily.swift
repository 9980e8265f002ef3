internal import Synchronization

/// One metric name with all its label values. The number of series is bounded: past it, samples go to the label
/// `other`.
final class Family: Sendable {
  enum Kind: Sendable {
    case counter
    case gauge
    /// For a name that the contract ends in `_total` although the figure goes down as well.
    case untyped
    case histogram([Double])
  }

  struct Series {
    var value = 0.0
    var count = 0
    var buckets: [Int] = []
  }

  static let seriesCountMax = 1000
  /// Parts of one series; more than this share one.
  static let partsMax = 64

  let name: String
  let help: String
  let kind: Kind
  let labels: [String]
  private let reading: (@Sendable () -> [MetricSample])?
  private let series = Mutex<[[String]: Cell]>([:])

  /// One series: found once by whoever counts often, then counted without looking it up.
  final class Cell: Sendable {
    private let state = Mutex(Series())
    private let parts = Mutex<[Cell]>([])

    func update(_ change: (inout Series) -> Void) { state.withLock { change(&$0) } }

    /// A part of the series for one who counts often, so that threads that count at once do not wait for each other.
    func part() -> Cell {
      parts.withLock { parts in
        guard parts.count < Family.partsMax else { return parts[0] }
        let part = Cell()
        parts.append(part)
        return part
      }
    }

    var current: Series {
      parts.withLock { $0 }.reduce(into: state.withLock { $0 }) { sum, part in
        let more = part.current
        sum.value += more.value
        sum.count += more.count
        if sum.buckets.isEmpty {
          sum.buckets = more.buckets
        } else {
          for (index, count) in more.buckets.enumerated() { sum.buckets[index] += count }
        }
      }
    }
  }

  init(name: String, help: String, kind: Kind, labels: [String], read: (@Sendable () -> [MetricSample])?) {
    self.name = name
    self.help = help
    self.kind = kind
    self.labels = labels
    self.reading = read
    // A series without labels is there from the start, so that "0" and "missing" differ.
    if labels.isEmpty, read == nil { series.withLock { $0[[]] = Cell() } }
  }

  func update(_ values: [String], _ change: (inout Series) -> Void) { cell(values).update(change) }

  func cell(_ values: [String]) -> Cell {
    precondition(values.count == labels.count, "\(name) has the labels \(labels)")
    return series.withLock { series in
      let known = series[values] != nil || series.count < Self.seriesCountMax
      let key = known ? values : values.map { _ in "other" }
      if let cell = series[key] { return cell }
      let cell = Cell()
      series[key] = cell
      return cell
    }
  }

  func read(_ values: [String]) -> Series { series.withLock { $0[values] }?.current ?? Series() }

  func render(into text: inout String) {
    text += "# HELP \(name) \(help.escapedForPrometheus(quotes: false))\n"
    switch kind {
    case .counter: text += "# TYPE \(name) counter\n"
    case .gauge: text += "# TYPE \(name) gauge\n"
    case .untyped: text += "# TYPE \(name) untyped\n"
    case .histogram: text += "# TYPE \(name) histogram\n"
    }
    if let reading {
      for sample in reading() { text += "\(name)\(labelText(sample.labels)) \(Self.number(sample.value))\n" }
      return
    }
    for (values, cell) in series.withLock({ $0.sorted { $0.key.lexicographicallyPrecedes($1.key) } }) {
      let one = cell.current
      guard case .histogram(let bounds) = kind else {
        text += "\(name)\(labelText(values)) \(Self.number(one.value))\n"
        continue
      }
      var cumulative = 0
      for (index, bound) in bounds.enumerated() {
        cumulative += one.buckets.isEmpty ? 0 : one.buckets[index]
        text += "\(name)_bucket\(labelText(values, extra: ("le", Self.number(bound)))) \(cumulative)\n"
      }
      text += "\(name)_bucket\(labelText(values, extra: ("le", "+Inf"))) \(one.count)\n"
      text += "\(name)_sum\(labelText(values)) \(Self.number(one.value))\n"
      text += "\(name)_count\(labelText(values)) \(one.count)\n"
    }
  }

  private func labelText(_ values: [String], extra: (String, String)? = nil) -> String {
    var pairs = zip(labels, values).map { "\($0)=\"\($1.escapedForPrometheus(quotes: true))\"" }
    if let extra { pairs.append("\(extra.0)=\"\(extra.1)\"") }
    return pairs.isEmpty ? "" : "{\(pairs.joined(separator: ","))}"
  }

  static func number(_ value: Double) -> String {
    if value == value.rounded(), abs(value) < 9e15 { return String(Int(value)) }
    if value.isNaN { return "NaN" }
    if value.isInfinite { return value > 0 ? "+Inf" : "-Inf" }
    return String(value)
  }
}

extension String {
  func escapedForPrometheus(quotes: Bool) -> String {
    var out = ""
    for character in unicodeScalars {
      switch character {
      case "\\": out += "\\\\"
      case "\n": out += "\\n"
      case "\"" where quotes: out += "\\\""
      default: out.unicodeScalars.append(character)
      }
    }
    return out
  }
}
