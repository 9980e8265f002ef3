public import Core

/// Dates in fields (RFC 9110 §5.6.7): written as IMF-fixdate, read in all three historic forms.
public enum HTTPDate {
  private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
  private static let weekdays = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]

  /// `Fri, 20 Nov 2026 14:30:12 GMT`; fractions are cut off.
  public static func format(_ time: Timestamp) -> String {
    let civil = CivilTime(time)
    let day = time.seconds >= 0 ? time.seconds / 86_400 : (time.seconds - 86_399) / 86_400
    let weekday = weekdays[Int(((day % 7) + 7) % 7)]
    func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
    let year = String(repeating: "0", count: max(0, 4 - String(civil.year).utf8.count)) + String(civil.year)
    let clock = "\(two(civil.hour)):\(two(civil.minute)):\(two(civil.second))"
    return "\(weekday), \(two(civil.day)) \(months[civil.month - 1]) \(year) \(clock) GMT"
  }

  /// nil for anything but the three forms. Two-digit years (RFC 850) below 70 lie in this century.
  public static func parse(_ text: some StringProtocol) -> Timestamp? {
    guard text.utf8.count <= 40 else { return nil }
    let words = text.split(whereSeparator: { $0 == " " || $0 == "," })
    switch words.count {
    case 6 where words[5] == "GMT":  // Sun, 06 Nov 1994 08:49:37 GMT
      return make(year: words[3], month: words[2], day: words[1], clock: words[4])
    case 4 where words[3] == "GMT":  // Sunday, 06-Nov-94 08:49:37 GMT
      let date = words[1].split(separator: "-")
      guard date.count == 3, date[2].utf8.count == 2, let short = Int(date[2]), short >= 0 else { return nil }
      return make(
        year: Substring(String(short < 70 ? 2000 + short : 1900 + short)), month: date[1][...],
        day: date[0][...], clock: words[2][...])
    case 5:  // Sun Nov  6 08:49:37 1994
      let day = words[2].utf8.count == 1 ? "0\(words[2])" : String(words[2])
      return make(year: words[4], month: words[1], day: day[...], clock: words[3])
    default: return nil
    }
  }

  private static func make(
    year: some StringProtocol, month: some StringProtocol, day: some StringProtocol, clock: some StringProtocol
  ) -> Timestamp? {
    guard let index = months.firstIndex(where: { $0 == month }), year.utf8.count == 4, day.utf8.count == 2,
      clock.utf8.count == 8
    else { return nil }
    let number = index + 1
    // Timestamp's own parser checks that the day and the time exist.
    return Timestamp("\(year)-\(number < 10 ? "0" : "")\(number)-\(day)T\(clock)Z")
  }
}
