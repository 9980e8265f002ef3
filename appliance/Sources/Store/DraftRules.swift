internal import Core
internal import HTTP
internal import StorageAPI

/// What a document may be called and described as, in a mode. Every refusal names the field and how to mend it.
enum DraftRules {
  static func check(_ draft: FileDraft, in mode: ApplianceMode) throws(APIError) {
    try RecordValidation.filename(draft.filename)
    try RecordValidation.subject(draft.uploadedBy)
    try check(description: draft.description, tags: draft.tags, metadata: draft.metadata)
    if let type = draft.contentType { try RecordValidation.contentType(type) }
    if let size = draft.declaredSize, size < 0 { throw RecordValidation.refuse("size", "must not be negative") }
    let implied = mode.retentionPolicy
    if let asked = draft.retentionPolicy, asked != implied {
      throw RecordValidation.refuse(
        "retention_policy",
        "this storage keeps \(implied.rawValue) documents; ask for \(implied.rawValue) or choose another storage")
    }
    if let days = draft.ttlDays {
      guard implied == .temporary else {
        throw RecordValidation.refuse("ttl_days", "permanent documents have none; leave it out")
      }
      try RecordValidation.ttlDays(days)
    }
  }

  static func check(
    description: String?, tags: [String], metadata: [String: JSONValue]?
  ) throws(APIError) {
    if let description { try RecordValidation.description(description) }
    try RecordValidation.tags(tags)
    if let metadata { try RecordValidation.metadata(metadata) }
  }

  /// The record must fit its file; the largest of the client's fields is named.
  static func check(size: Int, of record: FileRecord) throws(APIError) {
    guard size > Attributes.bytesMax else { return }
    let metadata = record.metadata.map { value in JSONWriter.document { $0.value(.object(value)) }.count } ?? 0
    let fields = [
      ("metadata", metadata), ("tags", record.tags.reduce(0) { $0 + $1.utf8.count + 3 }),
      ("description", record.description?.utf8.count ?? 0),
      ("original_filename", record.originalFilename.utf8.count),
    ]
    let largest = fields.max { $0.1 < $1.1 }?.0 ?? "metadata"
    throw RecordValidation.refuse(
      largest, "the document's attributes take \(size) bytes, \(size - Attributes.bytesMax) more than fit; shorten it")
  }
}
