/// A piece of a page. Text becomes markup only through `Tag` and the builder, which escape it; the one way to add
/// bytes as they are takes a `StaticString`, so nothing that came from outside can ever be markup.
struct HTML: Sendable {
  private(set) var bytes: [UInt8]

  static let empty = HTML(bytes: [])

  private init(bytes: [UInt8]) { self.bytes = bytes }

  /// Escaped text.
  init(_ text: String) {
    bytes = []
    bytes.reserveCapacity(text.utf8.count)
    appendEscaped(text)
  }

  /// Markup written in our own source.
  init(trusted markup: StaticString) {
    bytes = markup.withUTF8Buffer { Array($0) }
  }

  init(@HTMLBuilder _ content: () throws -> HTML) rethrows { self = try content() }

  /// A start tag, the content, an end tag (none for void elements).
  init(_ element: Tag, _ attributes: [Attribute], _ content: HTML) {
    bytes = [UInt8(ascii: "<")]
    appendRaw(element.name)
    for attribute in attributes { append(attribute) }
    bytes.append(UInt8(ascii: ">"))
    guard !element.isVoid else { return }
    bytes += content.bytes
    bytes += [UInt8(ascii: "<"), UInt8(ascii: "/")]
    appendRaw(element.name)
    bytes.append(UInt8(ascii: ">"))
  }

  mutating func append(_ other: HTML) { bytes += other.bytes }

  private mutating func append(_ attribute: Attribute) {
    guard let value = attribute.value else { return }
    bytes.append(UInt8(ascii: " "))
    appendRaw(attribute.name)
    guard let text = value else { return }
    bytes += [UInt8(ascii: "="), UInt8(ascii: "\"")]
    appendEscaped(text)
    bytes.append(UInt8(ascii: "\""))
  }

  private mutating func appendRaw(_ text: StaticString) { text.withUTF8Buffer { bytes += $0 } }

  /// Escapes for both places text may stand in: between tags and inside a quoted attribute (WHATWG HTML §13.3).
  /// Control characters that HTML forbids become U+FFFD; bidirectional overrides too, which could make a file name
  /// read as another one.
  private mutating func appendEscaped(_ text: String) {
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": bytes += "&amp;".utf8
      case "<": bytes += "&lt;".utf8
      case ">": bytes += "&gt;".utf8
      case "\"": bytes += "&quot;".utf8
      case "'": bytes += "&#39;".utf8
      case "\n", "\t": bytes.append(UInt8(scalar.value))
      case "\u{00}"..."\u{1F}", "\u{7F}"..."\u{9F}", "\u{202A}"..."\u{202E}", "\u{2066}"..."\u{2069}":
        bytes += "\u{FFFD}".utf8
      default: bytes += UTF8.encode(scalar)!  // every Unicode scalar has a UTF-8 form
      }
    }
  }
}

/// Makes pages read as nested elements: strings are text, everything else is already `HTML`.
@resultBuilder
enum HTMLBuilder {
  static func buildExpression(_ text: String) -> HTML { HTML(text) }
  static func buildExpression(_ html: HTML) -> HTML { html }
  static func buildExpression(_ html: HTML?) -> HTML { html ?? .empty }
  static func buildExpression(_ parts: [HTML]) -> HTML { buildArray(parts) }

  static func buildBlock(_ parts: HTML...) -> HTML { buildArray(parts) }
  static func buildOptional(_ part: HTML?) -> HTML { part ?? .empty }
  static func buildEither(first: HTML) -> HTML { first }
  static func buildEither(second: HTML) -> HTML { second }

  static func buildArray(_ parts: [HTML]) -> HTML {
    var all = HTML.empty
    for part in parts { all.append(part) }
    return all
  }
}
