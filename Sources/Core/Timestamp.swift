/// A point in civil time: microseconds since 1970-01-01T00:00:00Z. Text form is RFC 3339 in UTC with `Z`.
public struct Timestamp: Hashable, Comparable, Sendable {
  /// Microseconds since the Unix epoch; negative before 1970.
  public let microseconds: Int64

  public init(microseconds: Int64) { self.microseconds = microseconds }

  public init(seconds: Int64) { self.microseconds = seconds * 1_000_000 }

  /// Whole seconds since the epoch, rounded down: the form of JWT's `NumericDate` (RFC 7519 §2).
  public var seconds: Int64 { microseconds.flooringDivision(by: 1_000_000) }

  public static func < (a: Timestamp, b: Timestamp) -> Bool { a.microseconds < b.microseconds }

  public static func + (time: Timestamp, interval: Duration) -> Timestamp {
    Timestamp(microseconds: time.microseconds + interval.microseconds)
  }

  public static func - (time: Timestamp, interval: Duration) -> Timestamp {
    Timestamp(microseconds: time.microseconds - interval.microseconds)
  }

  /// How long after `other` this is; negative when it is before.
  public func since(_ other: Timestamp) -> Duration { .microseconds(microseconds - other.microseconds) }
}

extension Duration {
  /// Whole microseconds, the fraction below cut off.
  public var microseconds: Int64 { components.seconds * 1_000_000 + components.attoseconds / 1_000_000_000_000 }

  /// Seconds with their fraction, for display and metrics.
  public var inSeconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}

/// Year, month, day, hour, minute, second of a `Timestamp` in UTC (proleptic Gregorian calendar).
public struct CivilTime: Hashable, Sendable {
  public var year: Int
  public var month: Int
  public var day: Int
  public var hour: Int
  public var minute: Int
  public var second: Int

  public init(_ time: Timestamp) {
    let seconds = time.seconds
    let dayNumber = seconds.flooringDivision(by: 86_400)
    let secondOfDay = Int(seconds - dayNumber * 86_400)
    (year, month, day) = Self.date(daysSinceEpoch: Int(dayNumber))
    (hour, minute, second) = (secondOfDay / 3600, secondOfDay / 60 % 60, secondOfDay % 60)
  }

  /// Days from civil and back: 400-year eras that begin on 1 March, so that the leap day is the last of its year.
  static func date(daysSinceEpoch: Int) -> (year: Int, month: Int, day: Int) {
    let shifted = daysSinceEpoch + 719_468
    let era = shifted.flooringDivision(by: 146_097)
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
    return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
  }

  static func daysSinceEpoch(year: Int, month: Int, day: Int) -> Int {
    let shiftedYear = month <= 2 ? year - 1 : year
    let era = shiftedYear.flooringDivision(by: 400)
    let yearOfEra = shiftedYear - era * 400
    let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
  }

  static func daysInMonth(_ month: Int, of year: Int) -> Int {
    switch month {
    case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
    case 4, 6, 9, 11: 30
    default: 31
    }
  }
}

extension FixedWidthInteger {
  /// Division that rounds towards negative infinity, as calendars need it.
  func flooringDivision(by divisor: Self) -> Self {
    let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
    return remainder < 0 ? quotient - 1 : quotient
  }
}
