/// A request line and its fields (RFC 9112 §3, §5), checked: what framing, routing and authorization rest on.
public struct RequestHead: Sendable {
  /// Where one field lies in `bytes`.
  struct Field: Sendable {
    var nameStart: UInt32 = 0
    var nameCount: UInt32 = 0
    var valueStart: UInt32 = 0
    var valueCount: UInt32 = 0
  }

  public internal(set) var method: HTTPMethod = .other
  /// As it came, in whichever of the four forms (RFC 9112 §3.2).
  public internal(set) var rawTarget: String = "/"
  /// Percent-decoded UTF-8 that begins with `/`, without dot segments, encoded slashes or control characters;
  /// `*` for `OPTIONS *`.
  public internal(set) var path: String = "/"
  public internal(set) var query = QueryItems()
  /// The x of HTTP/1.x, 0 or 1.
  public internal(set) var minorVersion = 1
  /// From `Content-Length`; nil when there is none.
  public internal(set) var contentLength: Int?
  /// Whether the body comes in chunks.
  public internal(set) var isChunked = false
  /// Whether the client wants the connection kept (RFC 9112 §9.3).
  public internal(set) var keepAlive = true
  /// Whether the client waits for a 100 before it sends the body (RFC 9110 §10.1.1).
  public internal(set) var expectsContinue = false

  var bytes: [UInt8] = []
  var fields: [Field] = []

  init() {}

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
