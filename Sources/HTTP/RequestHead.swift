/// A request line and its fields (RFC 9112 §3, §5), checked: what framing, routing and authorization rest on.
public struct RequestHead: Sendable {
  /// Where one field lies in `bytes`.
  struct Field: Sendable {
    var nameStart: UInt32 = 0
    var nameCount: UInt32 = 0
    var valueStart: UInt32 = 0
    var valueCount: UInt32 = 0
  }

  /// What a parser fills in; shared and unchanging afterwards, so that handing a head on costs one reference.
  struct Content: Sendable {
    var method = HTTPMethod.other
    var target = 0..<0
    /// Where the value of `Host` lies; empty when there is none (HTTP/1.0).
    var host = 0..<0
    /// Where the value of `Authorization` lies; nil when there is none.
    var authorization: Range<Int>?
    /// Whether a field's name begins with `if-`.
    var hasConditions = false
    var path = "/"
    var query = QueryItems()
    var minorVersion = 1
    var contentLength: Int?
    var isChunked = false
    var keepAlive = true
    var expectsContinue = false
    var bytes: [UInt8] = []
    var fields: [Field] = []
  }

  private final class Storage: Sendable {
    let content: Content

    init(_ content: consuming Content) { self.content = content }
  }

  private let storage: Storage

  init(_ content: consuming Content) { storage = Storage(content) }

  public var method: HTTPMethod { storage.content.method }
  /// As it came, in whichever of the four forms (RFC 9112 §3.2).
  public var rawTarget: String { String(decoding: bytes[storage.content.target], as: UTF8.self) }
  /// Percent-decoded UTF-8 that begins with `/`, without dot segments, encoded slashes or control characters;
  /// `*` for `OPTIONS *`.
  public var path: String { storage.content.path }
  public var query: QueryItems { storage.content.query }
  /// The x of HTTP/1.x, 0 or 1.
  public var minorVersion: Int { storage.content.minorVersion }
  /// From `Content-Length`; nil when there is none.
  public var contentLength: Int? { storage.content.contentLength }
  /// Whether the body comes in chunks.
  public var isChunked: Bool { storage.content.isChunked }
  /// Whether the client wants the connection kept (RFC 9112 §9.3).
  public var keepAlive: Bool { storage.content.keepAlive }
  /// Whether the client waits for a 100 before it sends the body (RFC 9110 §10.1.1).
  public var expectsContinue: Bool { storage.content.expectsContinue }

  private var bytes: [UInt8] { storage.content.bytes }
  private var fields: [Field] { storage.content.fields }

  /// For tests and for requests made inside the process. `target` must be valid; fields are taken as they are.
  public init(
    _ method: HTTPMethod, _ target: String, headers: HeaderFields = [:], contentLength: Int? = nil
  ) throws(APIError) {
    var text = "\(method.rawValue) \(target) HTTP/1.1\r\nHost: \(headers["Host"] ?? "localhost")\r\n"
    for (name, value) in headers.fields where !name.equalsIgnoringASCIICase("host") { text += "\(name): \(value)\r\n" }
    if let contentLength { text += "Content-Length: \(contentLength)\r\n" }
    text += "\r\n"
    do {
      guard let (head, _) = try Self.parse(Array(text.utf8).span) else {
        throw HTTPParseError(.badRequest, "incomplete")
      }
      self = head
    } catch let error {
      throw (error as? HTTPParseError)?.apiError ?? APIError(.validation, "not a request")
    }
  }

  /// Whether there may be a condition (RFC 9110 §13).
  public var hasConditions: Bool { storage.content.hasConditions }

  /// Whether `Authorization` is there and exactly this. How long that takes tells nothing about where they differ.
  public func authorization(is expected: [UInt8]) -> Bool {
    guard let place = storage.content.authorization, place.count == expected.count else { return false }
    let held = bytes
    let (mine, theirs) = (held.span.extracting(place).bytes, expected.span.bytes)
    var difference: UInt64 = 0
    var offset = 0
    while offset &+ 8 <= expected.count {
      // offset + 8 <= count of both
      let (a, b) = (
        mine.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self),
        theirs.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self)
      )
      difference |= a ^ b
      offset &+= 8
    }
    while offset < expected.count {
      difference |= UInt64(held[place.lowerBound + offset] ^ expected[offset])
      offset += 1
    }
    return difference == 0
  }

  /// Whether a body follows, empty or not.
  public var hasBody: Bool { isChunked || (contentLength ?? 0) > 0 }

  /// The first value of a field, without the blanks around it; nil when absent. Names compare ignoring ASCII case.
  public func header(_ name: StaticString) -> String? {
    name.withUTF8Buffer { wanted in
      for field in fields where matches(field, wanted) { return text(field) }
      return nil
    }
  }

  /// The same for a name made at run time.
  @_disfavoredOverload
  public func header(_ name: String) -> String? {
    var name = name
    return name.withUTF8 { wanted in
      for field in fields where matches(field, wanted) { return text(field) }
      return nil
    }
  }

  /// Every value of a list field, joined by `, ` (RFC 9110 §5.3); nil when absent.
  public func combined(_ name: StaticString) -> String? {
    name.withUTF8Buffer { wanted in
      var joined: String?
      for field in fields where matches(field, wanted) {
        joined = joined.map { "\($0), \(text(field))" } ?? text(field)
      }
      return joined
    }
  }

  /// Every field in its order.
  public var headers: HeaderFields {
    var all = HeaderFields()
    for field in fields {
      let name = bytes[Int(field.nameStart)..<Int(field.nameStart + field.nameCount)]
      all.append(String(decoding: name, as: UTF8.self), text(field))
    }
    return all
  }

  /// A cookie's value (RFC 6265 §4.2); nil when absent.
  public func cookie(_ name: String) -> String? {
    guard let all = combined("cookie") else { return nil }
    for pair in all.split(whereSeparator: { $0 == ";" || $0 == "," }) {
      let pair = pair.trimmingOptionalWhitespace()
      guard let equals = pair.firstIndex(of: "="), pair[..<equals] == name else { continue }
      return String(pair[pair.index(after: equals)...])
    }
    return nil
  }

  private func matches(_ field: Field, _ wanted: UnsafeBufferPointer<UInt8>) -> Bool {
    guard Int(field.nameCount) == wanted.count else { return false }
    let start = Int(field.nameStart)
    for index in 0..<wanted.count {
      let a = bytes[start + index]
      let b = wanted[index]
      if a == b { continue }
      guard a | 0x20 == b | 0x20, (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(a | 0x20) else { return false }
    }
    return true
  }

  private func text(_ field: Field) -> String {
    String(decoding: bytes[Int(field.valueStart)..<Int(field.valueStart + field.valueCount)], as: UTF8.self)
  }
}
