internal import Core

/// What a log field may hold.
public enum LogValue: Sendable, ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
  ExpressibleByFloatLiteral, ExpressibleByStringInterpolation
{
  case string(String)
  case integer(Int)
  case number(Double)
  case bool(Bool)

  public init(stringLiteral value: String) { self = .string(value) }
  public init(integerLiteral value: Int) { self = .integer(value) }
  public init(floatLiteral value: Double) { self = .number(value) }
  public init(booleanLiteral value: Bool) { self = .bool(value) }

  /// The text of anything that describes itself: ids, times, errors.
  public static func text(_ value: some CustomStringConvertible) -> LogValue { .string(value.description) }

  /// An error's own words.
  public static func error(_ error: any Error) -> LogValue { .string(String(describing: error)) }

  /// Milliseconds with three decimals.
  public static func milliseconds(_ duration: Duration) -> LogValue {
    .number(Double(duration.microseconds) / 1000)
  }

  func write(_ json: inout JSONWriter) {
    switch self {
    case .string(let value): json.string(value)
    case .integer(let value): json.integer(value)
    case .number(let value): json.number(value)
    case .bool(let value): json.bool(value)
    }
  }

  var plain: String {
    switch self {
    case .string(let value): value
    case .integer(let value): String(value)
    case .number(let value): String(value)
    case .bool(let value): String(value)
    }
  }
}

/// How much an entry matters. `notice` is for what an operator wants to see on a quiet day.
public enum LogLevel: Int, Sendable, Comparable, CaseIterable {
  case debug
  case info
  case notice
  case warning
  case error

  public static func < (a: LogLevel, b: LogLevel) -> Bool { a.rawValue < b.rawValue }

  public init?(_ name: String) {
    guard let level = Self.allCases.first(where: { $0.name == name }) else { return nil }
    self = level
  }

  public var name: String { String(describing: self) }
}

/// JSON lines for machines, text for people at a terminal.
public enum LogFormat: String, Sendable, CaseIterable {
  case json
  case text
}
