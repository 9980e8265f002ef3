extension Timestamp: CustomStringConvertible, Codable, LosslessStringConvertible {
  /// RFC 3339 in UTC, e.g. `2026-11-20T14:30:12Z`; a fraction of 3 or 6 digits appears only when there is one.
  public var description: String { String(decoding: rfc3339, as: UTF8.self) }

  /// The bytes of `description`.
  public var rfc3339: [UInt8] {
    // RFC 3339 has no other years; times beyond them only come from wrong arithmetic and are shown as its ends.
    let time = min(max(self, Self.earliest), Self.latest)
    let civil = CivilTime(time)
    let fraction = Int(time.microseconds - time.seconds * 1_000_000)
    var out: [UInt8] = []
    out.reserveCapacity(27)
    out.appendDecimal(civil.year, width: 4)
    out.append(UInt8(ascii: "-"))
    out.appendDecimal(civil.month, width: 2)
    out.append(UInt8(ascii: "-"))
    out.appendDecimal(civil.day, width: 2)
    out.append(UInt8(ascii: "T"))
    out.appendDecimal(civil.hour, width: 2)
    out.append(UInt8(ascii: ":"))
    out.appendDecimal(civil.minute, width: 2)
    out.append(UInt8(ascii: ":"))
    out.appendDecimal(civil.second, width: 2)
    if fraction > 0 {
      out.append(UInt8(ascii: "."))
      if fraction % 1000 == 0 {
        out.appendDecimal(fraction / 1000, width: 3)
      } else {
        out.appendDecimal(fraction, width: 6)
      }
    }
    out.append(UInt8(ascii: "Z"))
    return out
  }

  /// 0000-01-01T00:00:00Z
  public static let earliest = Timestamp(seconds: -62_167_219_200)
  /// 9999-12-31T23:59:59.999999Z
  public static let latest = Timestamp(microseconds: 253_402_300_799_999_999)

  /// Parses RFC 3339 with `Z` or a numeric offset; nil for anything else, years outside 0000–9999 included.
  public init?(_ text: String) {
    let bytes = Array(text.utf8)
    func number(_ range: Range<Int>) -> Int? {
      var value = 0
      for index in range {
        guard index < bytes.count, bytes[index] &- 0x30 < 10 else { return nil }
        value = value * 10 + Int(bytes[index] - 0x30)
      }
      return value
    }
    func has(_ index: Int, _ character: Unicode.Scalar) -> Bool {
      // RFC 3339 §5.6 lets T and Z be small letters; folding the rest would let control characters pass for - and :.
      index < bytes.count
        && (bytes[index] == UInt8(ascii: character)
          || character.properties.isUppercase && bytes[index] == UInt8(ascii: character) | 0x20)
    }
    guard let year = number(0..<4), has(4, "-"), let month = number(5..<7), has(7, "-"), let day = number(8..<10),
      has(10, "T"), let hour = number(11..<13), has(13, ":"), let minute = number(14..<16), has(16, ":"),
      let second = number(17..<19), (1...12).contains(month), hour < 24, minute < 60, second < 60,
      day >= 1, day <= CivilTime.daysInMonth(month, of: year)
    else { return nil }
    var position = 19
    var fraction: Int64 = 0
    if has(position, ".") {
      position += 1
      let start = position
      var scale: Int64 = 100_000
      while position < bytes.count, bytes[position] &- 0x30 < 10 {
        fraction += Int64(bytes[position] - 0x30) * scale
        scale /= 10
        position += 1
      }
      guard position > start, position - start <= 9 else { return nil }
    }
    var offsetMinutes = 0
    if has(position, "Z") {
      position += 1
    } else {
      guard has(position, "+") || has(position, "-"), let hours = number(position + 1..<position + 3),
        has(position + 3, ":"), let minutes = number(position + 4..<position + 6), hours < 24, minutes < 60
      else { return nil }
      offsetMinutes = (bytes[position] == UInt8(ascii: "-") ? -1 : 1) * (hours * 60 + minutes)
      position += 6
    }
    guard position == bytes.count else { return nil }
    let days = CivilTime.daysSinceEpoch(year: year, month: month, day: day)
    let total = Int64(days) * 86_400 + Int64(hour * 3600 + minute * 60 + second - offsetMinutes * 60)
    let time = Timestamp(microseconds: total * 1_000_000 + fraction)
    // An offset may lead out of the four-digit years.
    guard Self.earliest <= time, time <= Self.latest else { return nil }
    self = time
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    let text = try container.decode(String.self)
    guard let time = Timestamp(text) else {
      throw DecodingError.dataCorruptedError(
        in: container, debugDescription: "not an RFC 3339 time: \(text.prefix(40))")
    }
    self = time
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}

extension [UInt8] {
  /// Appends `value` in decimal, padded with zeros to `width`. `value` must not be negative.
  public mutating func appendDecimal(_ value: Int, width: Int = 1) {
    assert(value >= 0)
    var divisor = 1
    var digits = 1
    while digits < width || value / divisor >= 10 {
      divisor *= 10
      digits += 1
    }
    while divisor > 0 {
      append(UInt8(0x30 + value / divisor % 10))
      divisor /= 10
    }
  }
}
