/// How a value is written, read and named.
public struct SettingKind<Value: Sendable>: Sendable {
  public let name: String
  public let parse: @Sendable (String) -> Result<Value, SettingProblem>
  public let describe: @Sendable (Value) -> String

  public init(
    _ name: String, parse: @escaping @Sendable (String) -> Result<Value, SettingProblem>,
    describe: @escaping @Sendable (Value) -> String
  ) {
    self.name = name
    self.parse = parse
    self.describe = describe
  }

  /// May be left out; an empty value means the same.
  public static func optional<Wrapped: Sendable>(_ kind: SettingKind<Wrapped>) -> SettingKind<Wrapped?>
  where Value == Wrapped? {
    SettingKind<Wrapped?>("\(kind.name), optional") { text in
      text.isEmpty ? .success(nil) : kind.parse(text).map { .some($0) }
    } describe: { value in
      value.map(kind.describe) ?? ""
    }
  }
}

/// Where to listen or connect: `host:port`, `[ipv6]:port`.
public struct NetworkAddress: Hashable, Sendable, CustomStringConvertible {
  public let host: String
  public let port: UInt16

  public init(host: String, port: UInt16) {
    self.host = host
    self.port = port
  }

  public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

extension SettingKind where Value == String {
  public static var string: SettingKind {
    SettingKind("text") { text in
      text.isEmpty ? .failure(SettingProblem("must not be empty")) : .success(text)
    } describe: {
      $0
    }
  }

  /// An absolute path.
  public static var path: SettingKind {
    SettingKind("absolute path") { text in
      guard text.hasPrefix("/") else { return .failure(SettingProblem("must be an absolute path, beginning with /")) }
      guard !text.contains("\0") else { return .failure(SettingProblem("must not contain a NUL")) }
      return .success(text.count > 1 && text.hasSuffix("/") ? String(text.dropLast()) : text)
    } describe: {
      $0
    }
  }
}

extension SettingKind where Value == Int {
  public static func integer(_ range: ClosedRange<Int>) -> SettingKind {
    SettingKind("whole number \(range.lowerBound)–\(range.upperBound)") { text in
      guard let value = Int(text), range.contains(value) else {
        return .failure(SettingProblem("must be a whole number from \(range.lowerBound) to \(range.upperBound)"))
      }
      return .success(value)
    } describe: {
      String($0)
    }
  }

  /// A number of bytes: `65536`, `64KiB`, `1GiB`, `10GB`.
  public static func bytes(_ range: ClosedRange<Int> = 0...Int.max) -> SettingKind {
    SettingKind("bytes, e.g. 65536, 64KiB, 10GB") { text in
      guard let value = parseBytes(text), range.contains(value) else {
        let words =
          "must be a number of bytes such as 65536, 64KiB or 10GB, from \(range.lowerBound) to \(range.upperBound)"
        return .failure(SettingProblem(words))
      }
      return .success(value)
    } describe: {
      String($0)
    }
  }

  private static func parseBytes(_ text: String) -> Int? {
    let units: [(String, Int)] = [
      ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40),
      ("kB", 1_000), ("KB", 1_000), ("MB", 1_000_000), ("GB", 1_000_000_000), ("TB", 1_000_000_000_000), ("B", 1),
    ]
    let (digits, factor) =
      units.first { text.hasSuffix($0.0) }.map { (text.dropLast($0.0.count), $0.1) } ?? (text[...], 1)
    guard let number = Int(digits.trimmingSpaces()), number >= 0 else { return nil }
    let (product, overflow) = number.multipliedReportingOverflow(by: factor)
    return overflow ? nil : product
  }
}

extension SettingKind where Value == Bool {
  public static var bool: SettingKind {
    SettingKind("true or false") { text in
      switch text.lowercased() {
      case "true", "yes", "on", "1": .success(true)
      case "false", "no", "off", "0": .success(false)
      default: .failure(SettingProblem("must be true or false"))
      }
    } describe: {
      String($0)
    }
  }
}

extension SettingKind where Value == Duration {
  /// `250ms`, `30s`, `5m`, `24h`, `7d`.
  public static func duration(_ range: ClosedRange<Duration>) -> SettingKind {
    SettingKind("duration, e.g. 250ms, 30s, 5m, 24h, 7d") { text in
      guard let value = parse(text), range.contains(value) else {
        let bounds = "\(describe(range.lowerBound)) to \(describe(range.upperBound))"
        return .failure(SettingProblem("must be a duration such as 250ms, 30s, 5m, 24h or 7d, from \(bounds)"))
      }
      return .success(value)
    } describe: {
      describe($0)
    }
  }

  private static func parse(_ text: String) -> Duration? {
    let units: [(String, Int64)] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)]
    guard let (suffix, factor) = units.first(where: { text.hasSuffix($0.0) }),
      let number = Int64(text.dropLast(suffix.count).trimmingSpaces()), number >= 0,
      !number.multipliedReportingOverflow(by: factor).overflow
    else { return nil }
    return .milliseconds(number * factor)
  }

  private static func describe(_ duration: Duration) -> String {
    let (seconds, fraction) = duration.components
    let milliseconds = seconds * 1000 + fraction / 1_000_000_000_000_000
    for (suffix, factor) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)] as [(String, Int64)]
    where milliseconds >= factor && milliseconds % factor == 0 {
      return "\(milliseconds / factor)\(suffix)"
    }
    return "\(milliseconds)ms"
  }
}

extension SettingKind where Value == [String] {
  /// Values separated by commas; spaces around them do not count.
  public static var list: SettingKind {
    SettingKind("list, comma-separated") { text in
      .success(text.split(separator: ",").map { $0.trimmingSpaces() }.filter { !$0.isEmpty })
    } describe: {
      $0.joined(separator: ",")
    }
  }
}

extension SettingKind where Value == NetworkAddress {
  public static var address: SettingKind {
    SettingKind("address, e.g. 127.0.0.1:8010, [::]:8010") { text in
      guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
        return .failure(SettingProblem("must be an address and a port such as 127.0.0.1:8010 or [::]:8010"))
      }
      var host = text[..<colon]
      if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
      guard !host.isEmpty else {
        return .failure(SettingProblem("must begin with an address; 0.0.0.0 stands for every interface"))
      }
      return .success(NetworkAddress(host: String(host), port: port))
    } describe: {
      $0.description
    }
  }
}

extension SettingKind where Value: CaseIterable & RawRepresentable, Value.RawValue == String {
  public static var choice: SettingKind {
    let names = Value.allCases.map(\.rawValue).joined(separator: ", ")
    return SettingKind("one of \(names)") { text in
      guard let value = Value(rawValue: text) else { return .failure(SettingProblem("must be one of \(names)")) }
      return .success(value)
    } describe: {
      $0.rawValue
    }
  }
}

extension StringProtocol {
  func trimmingSpaces() -> String {
    let isSpace: (Character) -> Bool = { $0 == " " || $0 == "\t" }
    return String(drop(while: isSpace).reversed().drop(while: isSpace).reversed())
  }
}
