/// The languages the console speaks.
enum Language: String, CaseIterable, Sendable {
  case english = "en"
  case russian = "ru"

  /// The language's name in itself, as a reader of it looks for it.
  var ownName: String {
    switch self {
    case .english: "English"
    case .russian: "Русский"
    }
  }

  /// The first language of `Accept-Language` (RFC 9110 §12.5.4) that we speak, by weight; English if there is none.
  init(acceptLanguage: String?) {
    let ranges = (acceptLanguage ?? "").split(separator: ",").prefix(20).enumerated().compactMap { index, range in
      let parts = range.split(separator: ";").map { $0.filter { $0 != " " } }
      let weight = parts.dropFirst().first { $0.hasPrefix("q=") }.flatMap { Double($0.dropFirst(2)) } ?? 1
      return parts.first.map { (tag: $0.lowercased(), weight: weight, index: index) }
    }
    let preferred = ranges.filter { $0.weight > 0 }.sorted { ($1.weight, $0.index) < ($0.weight, $1.index) }
    for range in preferred {
      let primary = range.tag.split(separator: "-").first.map(String.init) ?? ""
      if let language = Language(rawValue: primary) {
        self = language
        return
      }
    }
    self = .english
  }
}

/// Light, dark, or what the device prefers.
enum Theme: String, CaseIterable, Sendable {
  case device
  case light
  case dark
}
