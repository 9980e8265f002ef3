/// The names and values of a query string or a form body (`application/x-www-form-urlencoded`), in their order.
public struct QueryItems: Sendable {
  /// At most so many pairs are taken from outside.
  public static let countMax = 256

  public private(set) var items: [(name: String, value: String)]

  public init() { items = [] }

  /// For callers that build a query (see `encoded`).
  public init(_ items: [(name: String, value: String)]) { self.items = items }

  /// The first value under `name`; names compare exactly.
  public subscript(name: String) -> String? { items.first { $0.name == name }?.value }

  /// Every value under `name`: more than one tells a repeated parameter (an error in OAuth, RFC 6749 §3.2).
  public func all(_ name: String) -> [String] { items.filter { $0.name == name }.map(\.value) }

  /// Every name, repeated ones as often as they came.
  public var names: [String] { items.map(\.name) }

  public var isEmpty: Bool { items.isEmpty }

  public mutating func append(_ name: String, _ value: String) { items.append((name: name, value: value)) }

  /// From the text after `?`, or from a form body. Throws `VALIDATION_ERROR` for broken escapes, text that is not UTF-8
  /// and more than `countMax` pairs.
  public static func parse(_ raw: some StringProtocol) throws(APIError) -> QueryItems { try parse(bytes: raw.utf8) }

  /// The same from bytes.
  public static func parse(bytes: some Collection<UInt8>) throws(APIError) -> QueryItems {
    var query = QueryItems()
    var rest = bytes[...]
    while !rest.isEmpty {
      let end = rest.firstIndex(of: UInt8(ascii: "&")) ?? rest.endIndex
      let pair = rest[..<end]
      rest = end == rest.endIndex ? rest[end...] : rest[rest.index(after: end)...]
      if pair.isEmpty { continue }
      guard query.items.count < countMax else {
        throw APIError(.validation, "more than \(countMax) query parameters; send fewer")
      }
      let equals = pair.firstIndex(of: UInt8(ascii: "=")) ?? pair.endIndex
      let value = equals == pair.endIndex ? pair[equals...] : pair[pair.index(after: equals)...]
      guard let name = PercentEncoding.decodeText(pair[..<equals], plusIsSpace: true),
        let value = PercentEncoding.decodeText(value, plusIsSpace: true)
      else { throw APIError(.validation, "a query parameter is not percent-encoded UTF-8; encode it as in RFC 3986") }
      query.append(name, value)
    }
    return query
  }

  /// `a=1&b=x%20y`, without the `?`.
  public var encoded: String {
    items.map { "\(PercentEncoding.encode($0.name))=\(PercentEncoding.encode($0.value))" }.joined(separator: "&")
  }
}

/// Form bodies.
public enum FormURLEncoded {
  public static let mediaType = "application/x-www-form-urlencoded"

  /// From a whole body, bounded by the caller. Throws like `QueryItems.parse`.
  public static func parse(_ body: [UInt8]) throws(APIError) -> QueryItems { try QueryItems.parse(bytes: body) }
}
