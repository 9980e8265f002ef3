/// The text form of one-dimensional PostgreSQL arrays: `{a,"b c",NULL}` (manual §8.15.6).
enum ArrayText {
  static func write(_ elements: [String]) -> String {
    var out = "{"
    for (index, element) in elements.enumerated() {
      if index > 0 { out += "," }
      out += "\""
      for character in element.unicodeScalars {
        if character == "\"" || character == "\\" { out += "\\" }
        out.unicodeScalars.append(character)
      }
      out += "\""
    }
    return out + "}"
  }

  /// The elements, NULL as nil; nil when it is no array of one dimension.
  static func read(_ bytes: UnsafeBufferPointer<UInt8>) -> [String?]? {
    guard bytes.first == UInt8(ascii: "{"), bytes.last == UInt8(ascii: "}"), bytes.count >= 2 else { return nil }
    var elements: [String?] = []
    var index = 1
    let end = bytes.count - 1
    while index < end {
      guard let element = readElement(bytes, &index, end) else { return nil }
      elements.append(element)
      if index < end {
        guard bytes[index] == UInt8(ascii: ",") else { return nil }
        index += 1
      }
    }
    return elements
  }

  private static func readElement(_ bytes: UnsafeBufferPointer<UInt8>, _ index: inout Int, _ end: Int) -> String?? {
    var text: [UInt8] = []
    if bytes[index] == UInt8(ascii: "\"") {
      index += 1
      while index < end, bytes[index] != UInt8(ascii: "\"") {
        if bytes[index] == UInt8(ascii: "\\") { index += 1 }
        guard index < end else { return nil }
        text.append(bytes[index])
        index += 1
      }
      guard index < end else { return nil }
      index += 1
      return .some(String(decoding: text, as: UTF8.self))
    }
    while index < end, bytes[index] != UInt8(ascii: ",") {
      guard bytes[index] != UInt8(ascii: "{") else { return nil }
      text.append(bytes[index])
      index += 1
    }
    let word = String(decoding: text, as: UTF8.self)
    return .some(word == "NULL" ? nil : word)
  }
}
