internal import Postgres
internal import StorageAPI

/// A search as SQL conditions. Every value is a bind; `%`, `_` and `\` of a client match themselves.
struct SearchConditions {
  let all: [Query]
  /// How well a row fits, higher is better; nil when there is nothing to rank by.
  let rank: Query?

  init(_ request: SearchRequest) {
    var all: [Query] = ["files.missing_since IS NULL", "files.status = \(request.status.rawValue)"]
    var rank: Query?
    if let query = request.query {
      switch request.mode {
      case .exact:
        all.append("files.name_lower = lower(\(query))")
      case .partial:
        all.append(Self.nameContains(query))
        rank = "similarity(files.name_normal, artstore_normalise(\(query)))"
      case .fulltext:
        let words: Query = "plainto_tsquery('russian', artstore_normalise(\(query)))"
        all.append("files.search @@ \(words)")
        rank = "ts_rank(files.search, \(words))"
      }
    }
    if let filename = request.filename { all.append(Self.nameContains(filename)) }
    if let suffix = request.fileExtension { all.append("files.name_lower LIKE '%.' || \(Self.escaped("\(suffix)"))") }
    if !request.tags.isEmpty { all.append("files.tags @> \(request.tags)") }
    if let subject = request.uploadedBy { all.append("files.uploaded_by = \(subject)") }
    if let policy = request.retentionPolicy { all.append("files.retention_policy = \(policy.rawValue)") }
    if let type = request.contentType {
      if type.hasSuffix("/*") {
        all.append("files.content_type LIKE \(Self.escaped("\(String(type.dropLast()))")) || '%'")
      } else {
        all.append("files.content_type = \(type)")
      }
    }
    if let size = request.sizeMin { all.append("files.size >= \(size)") }
    if let size = request.sizeMax { all.append("files.size <= \(size)") }
    if let time = request.uploadedAfter { all.append("files.uploaded_at >= \(time)") }
    if let time = request.uploadedBefore { all.append("files.uploaded_at < \(time)") }
    self.all = all
    self.rank = rank
  }

  var clause: Query { "WHERE " + Query.joined(all, by: " AND ", empty: "true") }

  /// From three characters on a trigram index finds any part; below, only beginnings of words can be found quickly.
  private static func nameContains(_ part: String) -> Query {
    let text = escaped("artstore_normalise(\(part))")
    if part.unicodeScalars.count >= 3 { return "files.name_normal LIKE '%' || \(text) || '%'" }
    return "(files.name_normal LIKE \(text) || '%' OR files.name_normal LIKE '% ' || \(text) || '%')"
  }

  static func escaped(_ text: Query) -> Query {
    "replace(replace(replace(\(text), '\\', '\\\\'), '%', '\\%'), '_', '\\_')"
  }
}
