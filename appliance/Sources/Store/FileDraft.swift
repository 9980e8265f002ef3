public import Core
public import StorageAPI

/// What an uploader says about a document before, or after, its bytes.
public struct FileDraft: Sendable {
  /// Chosen by the ingester; nil: the store makes a random one. One that exists already answers `CONFLICT`.
  public var id: FileID?
  public var filename: String
  /// Media type; nil: `application/octet-stream`.
  public var contentType: String?
  /// `sub` of the uploader's token.
  public var uploadedBy: String
  /// Nil: what the mode implies. `temporary` in `rw` and `permanent` in `edit` are refused.
  public var retentionPolicy: RetentionPolicy?
  /// 1–365; nil: 30 for temporary documents.
  public var ttlDays: Int?
  /// At most 1000 characters.
  public var description: String?
  public var tags: [String] = []
  public var metadata: [String: JSONValue]?
  /// Bytes to come, when known: reserved at once.
  public var declaredSize: Int?
  /// Names the request in the journal.
  public var traceID: String = ""

  public init(filename: String, uploadedBy: String) {
    self.filename = filename
    self.uploadedBy = uploadedBy
  }
}

/// A change of a document's attributes. Outer nil: leave it; inner nil: remove it.
public struct FilePatch: Sendable {
  public var description: String??
  public var tags: [String]?
  public var metadata: [String: JSONValue]??

  public init(description: String?? = nil, tags: [String]? = nil, metadata: [String: JSONValue]?? = nil) {
    self.description = description
    self.tags = tags
    self.metadata = metadata
  }
}

/// Who changes something, for the journal, which is the audit trail.
public struct Actor: Sendable, Hashable {
  /// `sub` of the token, or the name of a background task.
  public var subject: String
  public var traceID: String

  public init(_ subject: String, traceID: String = "") {
    self.subject = subject
    self.traceID = traceID
  }
}
