internal import Core
internal import StorageAPI

/// The search form and its address are the same thing, so that a search can be bookmarked and works without JavaScript.
extension FileQuery {
  /// From the items of `/files?…`. What cannot be read is left out: a search is no place to scold.
  init(_ item: (String) -> String?) {
    func filled(_ name: String) -> String? {
      guard let value = item(name), value.utf8.count <= 1000 else { return nil }
      let trimmed = value.trimmed
      return trimmed.isEmpty ? nil : trimmed
    }
    func day(_ name: String, plus seconds: Int64) -> Timestamp? {
      filled(name).flatMap { Timestamp($0 + "T00:00:00Z") }.map { Timestamp(seconds: $0.seconds + seconds) }
    }
    func kibibytes(_ name: String) -> Int? {
      filled(name).flatMap { Int($0) }.flatMap { $0 >= 0 && $0 < 1 << 40 ? $0 * 1024 : nil }
    }
    text = filled("q") ?? ""
    mode = filled("mode").flatMap { SearchMode(rawValue: $0) } ?? .fulltext
    fileExtension = filled("extension").map { $0.hasPrefix(".") ? String($0.dropFirst()) : $0 }
    tags = (filled("tags") ?? "").split(separator: ",").map { String($0).trimmed }.filter { !$0.isEmpty }
    uploadedBy = filled("uploaded_by")
    retention = filled("retention").flatMap { RetentionPolicy(rawValue: $0) }
    status = filled("status").flatMap { FileStatus(rawValue: $0) } ?? .active
    uploadedAfter = day("after", plus: 0)
    // "Before" a day means up to its end.
    uploadedBefore = day("before", plus: 86_399)
    minSize = kibibytes("min_size")
    maxSize = kibibytes("max_size")
    order = filled("order").flatMap { FileOrder(rawValue: $0) } ?? .newest
    cursor = filled("cursor")
  }

  /// The address that shows this search again.
  var link: Link {
    func day(_ time: Timestamp?) -> String? { time.map { String($0.description.prefix(10)) } }
    return Link("/files").query([
      ("q", text.isEmpty ? nil : text),
      ("mode", mode == .fulltext ? nil : mode.rawValue),
      ("extension", fileExtension),
      ("tags", tags.isEmpty ? nil : tags.joined(separator: ", ")),
      ("uploaded_by", uploadedBy),
      ("retention", retention?.rawValue),
      ("status", status == .active ? nil : status.rawValue),
      ("after", day(uploadedAfter)),
      ("before", day(uploadedBefore)),
      ("min_size", minSize.map { String($0 / 1024) }),
      ("max_size", maxSize.map { String($0 / 1024) }),
      ("order", order == .newest ? nil : order.rawValue),
      ("cursor", cursor),
    ])
  }

  var hasFilters: Bool {
    fileExtension != nil || !tags.isEmpty || uploadedBy != nil || retention != nil || status != .active
      || uploadedAfter != nil || uploadedBefore != nil || minSize != nil || maxSize != nil || order != .newest
  }

  /// Nothing was asked for: the list of all documents.
  var isEverything: Bool { text.isEmpty && !hasFilters && cursor == nil }
}

extension String {
  /// Without white space at both ends.
  var trimmed: String {
    guard let first = firstIndex(where: { !$0.isWhitespace }), let last = lastIndex(where: { !$0.isWhitespace })
    else { return "" }
    return String(self[first...last])
  }
}
