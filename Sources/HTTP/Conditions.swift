public import Core

/// The conditions a request sets on a representation (RFC 9110 §13), evaluated in the order of §13.2.2.
public struct Conditions: Sendable {
  public enum Outcome: Hashable, Sendable {
    case proceed
    /// 304, without a body.
    case notModified
    /// 412.
    case preconditionFailed
  }

  public var ifMatch: EntityTag.List?
  public var ifNoneMatch: EntityTag.List?
  public var ifModifiedSince: Timestamp?
  public var ifUnmodifiedSince: Timestamp?
  public var ifRange: IfRange?

  /// What `If-Range` compares with.
  public enum IfRange: Hashable, Sendable {
    case tag(EntityTag)
    case date(Timestamp)
    /// Neither a tag nor a date: never holds.
    case malformed
  }

  /// From the fields' texts; nil when absent. Dates that cannot be read count as absent (RFC 9110 §13.1.3).
  public init(
    ifMatch: String? = nil, ifNoneMatch: String? = nil, ifModifiedSince: String? = nil,
    ifUnmodifiedSince: String? = nil, ifRange: String? = nil
  ) {
    self.ifMatch = ifMatch.map { EntityTag.List(parsing: $0) }
    self.ifNoneMatch = ifNoneMatch.map { EntityTag.List(parsing: $0) }
    self.ifModifiedSince = ifModifiedSince.flatMap { HTTPDate.parse($0) }
    self.ifUnmodifiedSince = ifUnmodifiedSince.flatMap { HTTPDate.parse($0) }
    self.ifRange = ifRange.map { text in
      if let tag = EntityTag(parsing: text) { return .tag(tag) }
      return HTTPDate.parse(text).map { .date($0) } ?? .malformed
    }
  }

  /// From a request's fields.
  public init(_ head: RequestHead) {
    guard head.hasConditions else {
      self.init()
      return
    }
    self.init(
      ifMatch: head.combined("if-match"), ifNoneMatch: head.combined("if-none-match"),
      ifModifiedSince: head.header("if-modified-since"), ifUnmodifiedSince: head.header("if-unmodified-since"),
      ifRange: head.header("if-range"))
  }

  /// - Parameters:
  ///   - etag: the representation's tag; nil when it has none.
  ///   - lastModified: to the second; nil when unknown.
  ///   - exists: whether there is a representation at all (`If-Match: *`, `If-None-Match: *`).
  public func evaluate(
    etag: EntityTag?, lastModified: Timestamp?, method: HTTPMethod, exists: Bool = true
  ) -> Outcome {
    if let ifMatch {
      if !Self.matches(ifMatch, etag, exists: exists, strongly: true) { return .preconditionFailed }
    } else if let ifUnmodifiedSince, let lastModified, lastModified.seconds > ifUnmodifiedSince.seconds {
      return .preconditionFailed
    }
    let isRead = method == .get || method == .head
    if let ifNoneMatch {
      if Self.matches(ifNoneMatch, etag, exists: exists, strongly: false) {
        return isRead ? .notModified : .preconditionFailed
      }
    } else if isRead, let ifModifiedSince, let lastModified, lastModified.seconds <= ifModifiedSince.seconds {
      return .notModified
    }
    return .proceed
  }

  /// Whether `Range` counts (RFC 9110 §13.1.5): true without `If-Range`, else only on a strong match.
  public func honoursRange(etag: EntityTag?, lastModified: Timestamp?) -> Bool {
    switch ifRange {
    case nil: true
    case .tag(let tag): etag.map { tag.matchesStrongly($0) } ?? false
    case .date(let date): lastModified.map { $0.seconds == date.seconds } ?? false
    case .malformed: false
    }
  }

  private static func matches(_ list: EntityTag.List, _ etag: EntityTag?, exists: Bool, strongly: Bool) -> Bool {
    switch list {
    case .any: exists
    case .tags(let tags):
      etag.map { etag in
        tags.contains { strongly ? $0.matchesStrongly(etag) : $0.matchesWeakly(etag) }
      } ?? false
    }
  }
}
