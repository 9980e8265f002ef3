internal import Core

/// Numbers, sizes and times as people of a language write them. Times are UTC and say so: sites lie in many zones.
struct Format: Sendable {
  let language: Language

  /// `1,234,567` or `1 234 567` (with no-break spaces).
  func count(_ value: Int) -> String {
    let digits = Array(String(value.magnitude))
    var out = value < 0 ? "−" : ""
    for (index, digit) in digits.enumerated() {
      if index > 0, (digits.count - index).isMultiple(of: 3) { out += language == .english ? "," : "\u{A0}" }
      out.append(digit)
    }
    return out
  }

  /// With one decimal below ten: `1.4`, `9.9`, `10`, `250`.
  private func decimal(_ tenths: Int) -> String {
    if tenths >= 100 || tenths % 10 == 0 { return count(tenths / 10) }
    return "\(tenths / 10)\(language == .english ? "." : ",")\(tenths % 10)"
  }

  /// Binary multiples under their IEC names: `4.0 KiB` is written `4 KiB`.
  func size(_ bytes: Int) -> String {
    let units =
      language == .english ? ["B", "KiB", "MiB", "GiB", "TiB", "PiB"] : ["Б", "КиБ", "МиБ", "ГиБ", "ТиБ", "ПиБ"]
    var unit = 0
    var scale = 1
    while unit < units.count - 1, bytes / scale >= 1024 {
      scale *= 1024
      unit += 1
    }
    let tenths = unit == 0 ? bytes * 10 : Int((Double(bytes) * 10 / Double(scale)).rounded())
    return decimal(tenths) + "\u{A0}" + units[unit]
  }

  /// The share in whole percent; 0 when there is nothing to share, never 100 before it is full.
  func percent(_ part: Int, of whole: Int) -> Int {
    guard whole > 0, part > 0 else { return 0 }
    return part >= whole ? 100 : min(99, max(1, Int((Double(part) * 100 / Double(whole)).rounded())))
  }

  /// `38%`; `<1%` for what is little but not nothing.
  func percentText(_ part: Int, of whole: Int) -> String {
    part > 0 && whole > 0 && Double(part) / Double(whole) < 0.01 ? "<1%" : "\(percent(part, of: whole))%"
  }

  /// `20 Nov 2026, 14:30 UTC`.
  func time(_ time: Timestamp) -> String {
    let civil = CivilTime(time)
    return "\(date(civil)), \(two(civil.hour)):\(two(civil.minute)) UTC"
  }

  /// `20 Nov 2026`.
  func date(_ time: Timestamp) -> String { date(CivilTime(time)) }

  private func date(_ civil: CivilTime) -> String {
    let english = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    let russian = ["янв", "фев", "мар", "апр", "мая", "июн", "июл", "авг", "сен", "окт", "ноя", "дек"]
    let months = language == .english ? english : russian
    return "\(civil.day)\u{A0}\(months[civil.month - 1])\u{A0}\(civil.year)"
  }

  private func two(_ number: Int) -> String { number < 10 ? "0\(number)" : String(number) }

  /// Coarse distance from `now`: `just now`, `5 min ago`, `in 3 days`.
  func distance(_ time: Timestamp, from now: Timestamp) -> String {
    let seconds = Int(time.since(now).inSeconds.rounded())
    let magnitude = abs(seconds)
    if magnitude < 45 {
      return switch (language, seconds <= 0) {
      case (.english, true): "just now"
      case (.english, false): "in a moment"
      case (.russian, true): "только что"
      case (.russian, false): "сейчас"
      }
    }
    let (value, english, russian): (Int, String, String) =
      switch magnitude {
      case ..<5400: ((magnitude + 30) / 60, "min", "мин")
      case ..<129_600: ((magnitude + 1800) / 3600, "h", "ч")
      default: ((magnitude + 43_200) / 86_400, "days", "дн.")
      }
    switch (language, seconds < 0) {
    case (.english, true): return "\(value)\u{A0}\(english) ago"
    case (.english, false): return "in \(value)\u{A0}\(english)"
    case (.russian, true): return "\(value)\u{A0}\(russian) назад"
    case (.russian, false): return "через \(value)\u{A0}\(russian)"
    }
  }
}
