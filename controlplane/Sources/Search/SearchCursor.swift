internal import Core

/// Where the next page begins: the last row's place in its order, or how many ranked rows were shown. Opaque to
/// clients. It carries the order it belongs to, so that it is not taken for a place in another one.
struct SearchCursor: Codable {
  var sort: String
  var ascending: Bool
  /// Microseconds, bytes or a name, as text.
  var value: String?
  var id: FileID?
  var skipped: Int?

  var text: String {
    get throws { Base64.url.encode(try JSON.encode(self)) }
  }

  init(_ request: SearchRequest, value: String, id: FileID) {
    sort = request.sortBy.rawValue
    ascending = request.ascending
    self.value = value
    self.id = id
  }

  init(_ request: SearchRequest, skipped: Int) {
    sort = request.sortBy.rawValue
    ascending = request.ascending
    self.skipped = skipped
  }

  /// Nil for what `text` does not produce, and for a cursor of another order.
  init?(_ text: String, for request: SearchRequest) {
    guard let bytes = Base64.url.decode(text),
      let cursor = try? JSON.decode(SearchCursor.self, from: bytes),  // nil says: not a cursor
      cursor.sort == request.sortBy.rawValue, cursor.ascending == request.ascending,
      (0...SearchRequest.offsetMax).contains(cursor.skipped ?? 0)
    else { return nil }
    self = cursor
  }
}
