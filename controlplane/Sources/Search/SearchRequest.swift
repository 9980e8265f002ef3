public import Core
public import HTTP
public import StorageAPI

/// A search as a client states it (`POST /api/v1/search`). A field that is not known is refused: a typing error in a
/// filter would change what is found.
public struct SearchRequest: Sendable {
  public enum Mode: String, Sendable, CaseIterable {
    /// The whole file name, ignoring case.
    case exact
    /// A part of the file name; below three characters the beginnings of its words.
    case partial
    /// Every word, by stem, in any order, over file name, description and tags.
    case fulltext
  }

  public enum SortKey: String, Sendable, CaseIterable {
    case relevance
    case uploadedAt = "uploaded_at"
    case originalFilename = "original_filename"
    case size
  }

  /// What the found documents can be counted by.
  public enum Facet: String, Sendable, CaseIterable {
    case contentType = "content_type"
    case retentionPolicy = "retention_policy"
    case uploadedBy = "uploaded_by"
    case tags
    case fileExtension = "file_extension"
  }

  /// Nil or empty: everything that the filters leave.
  public var query: String?
  public var mode = Mode.fulltext
  public var filename: String?
  /// Without the dot, in lower case.
  public var fileExtension: String?
  /// A document must carry all of them.
  public var tags: [String] = []
  public var uploadedBy: String?
  public var retentionPolicy: RetentionPolicy?
  public var status = FileStatus.active
  /// A media type; `image/*` stands for all of its kind.
  public var contentType: String?
  public var sizeMin: Int?
  public var sizeMax: Int?
  /// Inclusive.
  public var uploadedAfter: Timestamp?
  /// Exclusive.
  public var uploadedBefore: Timestamp?
  public var sortBy = SortKey.uploadedAt
  public var ascending = false
  /// 1–1000.
  public var limit = 100
  public var offset = 0
  public var cursor: String?
  public var facets: [Facet] = []

  public static let queryCharactersMax = 500
  public static let tagsMax = 50
  /// Deeper pages cost what they skip: beyond this, take a cursor.
  public static let offsetMax = 100_000

  public init() {}
}

extension SearchRequest {
  /// From a client's JSON. Throws `VALIDATION_ERROR` naming the field.
  public init(json body: [UInt8]) throws(APIError) {
    self.init()
    let value: JSONValue
    do {
      value = try JSON.decode(JSONValue.self, from: body)
    } catch {
      throw APIError(.validation, "the body is not JSON: \(JSON.explain(error))")
    }
    guard case .object(let members) = value else {
      throw APIError(.validation, "the body must be a JSON object such as {\"query\": \"report\"}")
    }
    var fields = SearchFields(members)
    query = try fields.text("query", max: Self.queryCharactersMax).flatMap { $0.isEmpty ? nil : $0 }
    let modeName = try fields.choice("mode", Mode.self)
    mode = try fields.choice("search_mode", Mode.self) ?? modeName ?? .fulltext
    filename = try fields.text("filename", max: Self.queryCharactersMax)
    fileExtension = try fields.text("file_extension", max: 32).map { String($0.drop { $0 == "." }).lowercased() }
    tags = try fields.texts("tags", countMax: Self.tagsMax)
    uploadedBy = try fields.text("uploaded_by", max: 200)
    retentionPolicy = try fields.choice("retention_policy", RetentionPolicy.self)
    status = try fields.choice("status", FileStatus.self) ?? .active
    contentType = try fields.text("content_type", max: 200)?.lowercased()
    sizeMin = try fields.integer("min_size", 0...Int.max)
    sizeMax = try fields.integer("max_size", 0...Int.max)
    uploadedAfter = try fields.time("uploaded_after")
    uploadedBefore = try fields.time("uploaded_before")
    sortBy =
      try fields.choice("sort_by", SortKey.self) ?? (query != nil && mode == .fulltext ? .relevance : .uploadedAt)
    ascending = try fields.choice("sort_order", Order.self).map { $0 == .asc } ?? (sortBy == .originalFilename)
    limit = try fields.integer("limit", 1...1000) ?? 100
    offset = try fields.integer("offset", 0...Self.offsetMax) ?? 0
    cursor = try fields.text("cursor", max: 2000)
    facets = try fields.facets("facets")
    try fields.finish()
    if let sizeMin, let sizeMax, sizeMin > sizeMax {
      throw APIError(.validation, "min_size is larger than max_size: nothing could be found")
    }
  }

  enum Order: String, CaseIterable {
    case asc
    case desc
  }
}

/// Takes known fields out of a JSON object, one by one; what is left at the end is unknown.
struct SearchFields {
  private var rest: [String: JSONValue]

  init(_ members: [String: JSONValue]) { rest = members }

  mutating func text(_ name: String, max: Int) throws(APIError) -> String? {
    switch take(name) {
    case nil: return nil
    case .string(let text):
      guard text.count <= max else { throw wrong(name, "at most \(max) characters") }
      guard !text.unicodeScalars.contains("\0") else { throw wrong(name, "text without NUL") }
      return text
    default: throw wrong(name, "text")
    }
  }

  mutating func texts(_ name: String, countMax: Int) throws(APIError) -> [String] {
    switch take(name) {
    case nil: return []
    case .array(let values):
      guard values.count <= countMax else { throw wrong(name, "at most \(countMax) texts") }
      var texts: [String] = []
      for case .string(let text) in values where !text.unicodeScalars.contains("\0") { texts.append(text) }
      guard texts.count == values.count else { throw wrong(name, "an array of texts") }
      return texts
    default: throw wrong(name, "an array of texts")
    }
  }

  mutating func integer(_ name: String, _ range: ClosedRange<Int>) throws(APIError) -> Int? {
    switch take(name) {
    case nil: return nil
    case .integer(let number) where range.contains(Int(number)): return Int(number)
    default: throw wrong(name, "a whole number from \(range.lowerBound) to \(range.upperBound)")
    }
  }

  mutating func time(_ name: String) throws(APIError) -> Timestamp? {
    guard let text = try text(name, max: 64) else { return nil }
    guard let time = Timestamp(text) else { throw wrong(name, "a time such as 2026-11-20T14:30:00Z") }
    return time
  }

  mutating func choice<T: CaseIterable & RawRepresentable>(
    _ name: String, _ type: T.Type
  ) throws(APIError) -> T? where T.RawValue == String {
    guard let text = try text(name, max: 100) else { return nil }
    guard let value = T(rawValue: text) else {
      throw wrong(name, "one of \(T.allCases.map(\.rawValue).joined(separator: ", "))")
    }
    return value
  }

  /// `true` stands for every facet.
  mutating func facets(_ name: String) throws(APIError) -> [SearchRequest.Facet] {
    if case .bool(let all) = rest[name] {
      rest[name] = nil
      return all ? SearchRequest.Facet.allCases : []
    }
    var facets: [SearchRequest.Facet] = []
    for text in try texts(name, countMax: SearchRequest.Facet.allCases.count) {
      guard let facet = SearchRequest.Facet(rawValue: text) else {
        throw wrong(name, "among \(SearchRequest.Facet.allCases.map(\.rawValue).joined(separator: ", "))")
      }
      if !facets.contains(facet) { facets.append(facet) }
    }
    return facets
  }

  func finish() throws(APIError) {
    guard let unknown = rest.keys.sorted().first else { return }
    throw APIError(
      .validation, "\(unknown.prefix(100)) is not a search field; see the API's description for those there are")
  }

  /// Null counts as absent.
  private mutating func take(_ name: String) -> JSONValue? {
    guard let value = rest.removeValue(forKey: name), value != .null else { return nil }
    return value
  }

  private func wrong(_ name: String, _ expected: String) -> APIError {
    APIError(.validation, "\(name) must be \(expected)", details: ["field": .string(name)])
  }
}
