/// Whether a password is one that everybody tries: a word of the most common ones, alone or with ornaments. Passwords
/// have 12 characters at least, which lists of common ones hardly know: `password2026!` is what people make of them.
enum CommonPasswords {
  static let words = Set(text.description.split(separator: " ").map(String.init))

  /// Fewer letters beside a common word than this are ornaments.
  private static let ornamentMax = 3
  /// A repeated part shorter than this is no password.
  private static let unitMin = 8

  static func isOne(_ password: String) -> Bool {
    let plain = Array(password.lowercased())
    if isRun(plain) { return true }
    let unit = repeatedPart(of: plain)
    if unit.count < plain.count, unit.count < unitMin { return true }
    return [unit, unit.map(Self.unmasked)].contains { isOrnamented($0.filter(\.isLetter)) }
  }

  /// A listed word with at most `ornamentMax` letters before and after it.
  private static func isOrnamented(_ letters: [Character]) -> Bool {
    guard letters.count >= 4 else { return false }
    for length in stride(from: letters.count, through: max(4, letters.count - ornamentMax), by: -1) {
      for start in 0...(letters.count - length)
      where words.contains(String(letters[start..<(start + length)])) { return true }
    }
    return false
  }

  /// `123456789012`, `aaaaaaaaaaaa`, `abcdefghijkl`, `zyxwvu…`: three of four steps are by one, or none.
  private static func isRun(_ characters: [Character]) -> Bool {
    let values = characters.compactMap { $0.unicodeScalars.first.map { Int($0.value) } }
    guard values.count > 1 else { return true }
    let near = zip(values, values.dropFirst()).count { abs($0 - $1) <= 1 }
    return near * 4 >= (values.count - 1) * 3
  }

  /// The shortest beginning that the whole consists of.
  private static func repeatedPart(of characters: [Character]) -> [Character] {
    for length in 1...max(1, characters.count / 2) where characters.count > 1 {
      let isPeriod = characters.indices.dropFirst(length).allSatisfy { characters[$0] == characters[$0 - length] }
      if isPeriod { return Array(characters.prefix(length)) }
    }
    return characters
  }

  /// Letters as which digits and signs are read.
  private static func unmasked(_ character: Character) -> Character {
    switch character {
    case "0": "o"
    case "1", "!": "i"
    case "3": "e"
    case "4", "@": "a"
    case "5", "$": "s"
    case "7": "t"
    default: character
    }
  }
}
