internal import Core
internal import Crypto
internal import HTTP
internal import HTTPServer
internal import StorageAPI
internal import Store
internal import Telemetry

/// What an uploader says about a document, however it was sent. Every value is checked as it comes, so that a bad one
/// is refused before the bytes behind it are read.
struct UploadFields: Sendable {
  private(set) var description: String?
  private(set) var tags: [String] = []
  private(set) var retentionPolicy: RetentionPolicy?
  private(set) var ttlDays: Int?
  private(set) var metadata: [String: JSONValue]?
  private(set) var fileID: FileID?
  private(set) var uploadedBy: String?
  private var seen: Set<String> = []

  static let names = [
    "description", "tags", "retention_policy", "ttl_days", "metadata", "file_id", "uploaded_by",
  ]
  /// No field's text may be longer: the whole record has to fit 4096 bytes.
  static let bytesMax = 8192

  /// Takes one field of a form as its text.
  mutating func set(_ name: String, text: String, from caller: Principal) throws(APIError) {
    guard Self.names.contains(name) else {
      let known = Self.names.joined(separator: ", ")
      throw RecordValidation.refuse(String(name.prefix(80)), "there is no such field; an upload has file, \(known)")
    }
    guard seen.insert(name).inserted else { throw RecordValidation.refuse(name, "stands there twice; send it once") }
    switch name {
    case "description": try set(description: text)
    case "tags":
      guard let list = Self.decode([String].self, text) else {
        throw RecordValidation.refuse(name, #"must be a JSON array of strings as text, e.g. ["contract","2026"]"#)
      }
      try set(tags: list)
    case "retention_policy": try set(retention: text)
    case "ttl_days":
      guard let days = Int(text) else { throw RecordValidation.refuse(name, "must be a whole number from 1 to 365") }
      try set(ttlDays: days)
    case "metadata":
      guard let members = Self.decode([String: JSONValue].self, text) else {
        throw RecordValidation.refuse(name, #"must be a JSON object as text, e.g. {"case":17}"#)
      }
      try set(metadata: members)
    case "file_id": try set(fileID: text, from: caller)
    default: try set(uploadedBy: text, from: caller)
    }
  }

  /// Takes the JSON object of `ArtStore-Attributes`.
  mutating func set(attributes members: [String: JSONValue], from caller: Principal) throws(APIError) {
    for (name, value) in members.sorted(by: { $0.key < $1.key }) {
      switch (name, value) {
      case (_, .null): continue
      case ("tags", .array(let values)):
        let list = values.compactMap { if case .string(let tag) = $0 { tag } else { nil } }
        guard list.count == values.count else { throw RecordValidation.refuse(name, "must be an array of strings") }
        try set(tags: list)
      case ("metadata", .object(let members)): try set(metadata: members)
      case ("ttl_days", .integer(let days)): try set(ttlDays: Int(days))
      case ("tags", _), ("metadata", _), ("ttl_days", _):
        throw RecordValidation.refuse(name, "tags is an array, metadata an object, ttl_days a whole number")
      case (_, .string(let text)): try set(name, text: text, from: caller)
      default: throw RecordValidation.refuse(String(name.prefix(80)), "must be a text")
      }
    }
  }

  /// The draft for the store. `filename` has been checked.
  func draft(filename: String, contentType: String?, request: Request, declaredSize: Int?) -> FileDraft {
    var draft = FileDraft(filename: filename, uploadedBy: uploadedBy ?? request.principal.author)
    draft.id = fileID
    draft.contentType = contentType
    draft.retentionPolicy = retentionPolicy
    draft.ttlDays = ttlDays
    draft.description = description
    draft.tags = tags
    draft.metadata = metadata
    draft.declaredSize = declaredSize
    draft.traceID = request.trace.traceID
    return draft
  }

  private mutating func set(description text: String) throws(APIError) {
    try RecordValidation.description(text)
    description = text
  }

  private mutating func set(tags list: [String]) throws(APIError) {
    try RecordValidation.tags(list)
    tags = list
  }

  private mutating func set(ttlDays days: Int) throws(APIError) {
    try RecordValidation.ttlDays(days)
    ttlDays = days
  }

  private mutating func set(metadata members: [String: JSONValue]) throws(APIError) {
    try RecordValidation.metadata(members)
    metadata = members
  }

  private mutating func set(retention text: String) throws(APIError) {
    guard let policy = RetentionPolicy(rawValue: text) else {
      throw RecordValidation.refuse("retention_policy", "must be temporary or permanent")
    }
    retentionPolicy = policy
  }

  private mutating func set(fileID text: String, from caller: Principal) throws(APIError) {
    try Self.requireIngester(caller, "file_id")
    guard let id = FileID(text) else { throw RecordValidation.refuse("file_id", "must be a UUID") }
    fileID = id
  }

  private mutating func set(uploadedBy text: String, from caller: Principal) throws(APIError) {
    try Self.requireIngester(caller, "uploaded_by")
    try RecordValidation.subject(text)
    uploadedBy = text
  }

  /// Ids and uploaders come from the ingester alone: anybody else could speak for others.
  private static func requireIngester(_ caller: Principal, _ field: String) throws(APIError) {
    guard caller.peer?.role == .ingester else {
      throw APIError(
        .forbidden, "\(field): only an ingester may set it; leave it out", details: ["field": .string(field)])
    }
  }

  private static func decode<Value: Decodable>(_ type: Value.Type, _ text: String) -> Value? {
    try? JSON.decode(type, from: text.utf8)  // the caller's error names field and shape
  }
}
