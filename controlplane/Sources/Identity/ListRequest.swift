public import Core
public import HTTP
public import HTTPServer

/// `limit`, `offset` and `cursor` of a list request (CONTRACT "Everywhere"), and the filters that came with them.
public struct ListRequest: Sendable {
  public let limit: Int
  public let offset: Int
  /// The last key of the page before; nil for the first page.
  public let after: String?
  public let query: QueryItems

  /// Refuses parameters beside `filters`: a typo in one would change the answer.
  public init(_ request: Request, filters: Set<String> = []) throws(APIError) {
    query = request.query
    for name in query.names where !filters.contains(name) && !["limit", "offset", "cursor"].contains(name) {
      let known = (filters.sorted() + ["limit", "offset", "cursor"]).joined(separator: ", ")
      throw APIError(.validation, "\(name.cut(to: 60)): no such query parameter; there are \(known)")
    }
    limit = try Self.integer("limit", in: query, range: 1...1000) ?? 100
    offset = try Self.integer("offset", in: query, range: 0...1_000_000_000) ?? 0
    after = try query["cursor"].map { (text) throws(APIError) in
      guard let bytes = Base64.url.decode(text), let key = String(validating: bytes, as: UTF8.self), !key.contains("\0")
      else { throw APIError(.validation, "cursor: not one of this list's; begin again without it") }
      return key
    }
  }

  /// The text of a filter; empty counts as absent.
  public func text(_ name: String) -> String? {
    query[name].flatMap { $0.isEmpty || $0.contains("\0") ? nil : $0 }
  }

  public static func integer(
    _ name: String, in query: QueryItems, range: ClosedRange<Int>
  ) throws(APIError) -> Int? {
    guard let text = query[name] else { return nil }
    guard let value = Int(text), range.contains(value) else {
      throw APIError(
        .validation, "\(name): an integer from \(range.lowerBound) to \(range.upperBound) is needed")
    }
    return value
  }

  /// The contract's list answer. `key` gives the text the next page begins after.
  public func answer<Item>(
    _ items: [Item], total: Int, key: (Item) -> String, write: (inout JSONWriter, Item) throws -> Void
  ) rethrows -> Response {
    let hasMore = items.count == limit && (after != nil || offset + items.count < total)
    let body = try JSONWriter.document(reserving: 512 * (items.count + 1)) { json in
      try json.object { json in
        json.key("items")
        try json.array { json in for item in items { try write(&json, item) } }
        json.member("total", total)
        json.member("limit", limit)
        json.member("offset", after == nil ? offset : 0)
        json.member("has_more", hasMore)
        if hasMore, let last = items.last {
          json.member("next_cursor", Base64.url.encode(Array(key(last).utf8)))
        }
      }
    }
    return .json(bytes: body)
  }

  /// The same for items that are `Encodable`.
  public func answer<Item: Encodable>(_ items: [Item], total: Int, key: (Item) -> String) throws -> Response {
    try answer(items, total: total, key: key) { json, item in json.raw(try JSON.encode(item)) }
  }
}
