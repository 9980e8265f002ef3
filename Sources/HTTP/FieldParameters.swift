/// `value; name=token; name="quoted"` as in `Content-Type` and `Content-Disposition` (RFC 9110 §5.6.6).
struct FieldParameters {
  /// What stands before the first `;`, trimmed.
  let value: Substring
  /// Names in lower case, values unquoted, in their order.
  let parameters: [(name: String, value: String)]

  /// nil when the grammar is violated or there are more than 32 parameters.
  init?(_ text: some StringProtocol) {
    let bytes = Array(text.utf8)
    var index = bytes.firstIndex(of: UInt8(ascii: ";")) ?? bytes.count
    value = String(decoding: bytes[..<index], as: UTF8.self)[...].trimmingOptionalWhitespace()
    var found: [(name: String, value: String)] = []
    while index < bytes.count {
      index += 1
      Self.skipBlanks(bytes, &index)
      if index == bytes.count { break }
      if bytes[index] == UInt8(ascii: ";") { continue }
      let start = index
      while index < bytes.count, FieldGrammar.isToken(bytes[index]) { index += 1 }
      let name = String(decoding: bytes[start..<index], as: UTF8.self).lowercased()
      Self.skipBlanks(bytes, &index)
      guard !name.isEmpty, index < bytes.count, bytes[index] == UInt8(ascii: "="), found.count < 32 else { return nil }
      index += 1
      Self.skipBlanks(bytes, &index)
      guard let value = Self.takeValue(bytes, &index) else { return nil }
      found.append((name: name, value: value))
      Self.skipBlanks(bytes, &index)
      guard index == bytes.count || bytes[index] == UInt8(ascii: ";") else { return nil }
    }
    parameters = found
  }

  subscript(name: String) -> String? { parameters.first { $0.name == name }?.value }

  private static func skipBlanks(_ bytes: [UInt8], _ index: inout Int) {
    while index < bytes.count, bytes[index] == UInt8(ascii: " ") || bytes[index] == UInt8(ascii: "\t") { index += 1 }
  }

  private static func takeValue(_ bytes: [UInt8], _ index: inout Int) -> String? {
    guard index < bytes.count, bytes[index] == UInt8(ascii: "\"") else {
      let start = index
      // Browsers and old clients send spaces and UTF-8 unquoted; only what ends the value ends it.
      while index < bytes.count, bytes[index] != UInt8(ascii: ";"), bytes[index] != UInt8(ascii: "\"") { index += 1 }
      let text = String(validating: bytes[start..<index], as: UTF8.self)?[...].trimmingOptionalWhitespace()
      return text.map(String.init)
    }
    index += 1
    var value: [UInt8] = []
    while index < bytes.count, bytes[index] != UInt8(ascii: "\"") {
      // A backslash quotes only a quote or another backslash: Windows paths come unescaped.
      if bytes[index] == UInt8(ascii: "\\"), index + 1 < bytes.count,
        bytes[index + 1] == UInt8(ascii: "\"") || bytes[index + 1] == UInt8(ascii: "\\")
      {
        index += 1
      }
      value.append(bytes[index])
      index += 1
    }
    guard index < bytes.count else { return nil }
    index += 1
    return String(validating: value, as: UTF8.self)
  }
}
