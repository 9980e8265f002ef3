internal import Core
internal import HTTP
internal import StorageAPI

extension Store {
  /// The id that stands for a key now.
  func claim(_ key: OnceKey) throws(APIError) -> OnceKeys.Claim {
    try onceKeys.claim(key, at: shared.time.now()) { (id) throws(APIError) in try isTaken(id) }
  }

  func isDocument(_ id: FileID) throws(APIError) -> Bool { try shared.index.knownRow(id) != nil }

  private func isTaken(_ id: FileID) throws(APIError) -> Bool {
    if try isDocument(id) { return true }
    return resumable.all.contains { $0.ledger.fileID == id && $0.phase != .gone }
  }

  /// The answer to a retry: the document that the first request made. `CONFLICT` when this is another request under the
  /// same key, or the document is gone.
  func repeated(_ id: FileID, _ draft: FileDraft, size: Int, checksum: Checksum) throws(APIError) -> Committed {
    guard let row = try shared.index.knownRow(id) else { throw .noDocument(id) }
    let record = try row.record()
    guard record.size == size, record.checksum == checksum, Self.isSame(record, draft) else { throw Self.otherRequest }
    guard record.status == .active else {
      throw APIError(
        .conflict,
        "the document that was uploaded under this Idempotency-Key is \(record.status.rawValue) meanwhile; "
          + "choose a new key to upload it again")
    }
    return Committed(record: record, json: row.json, position: shared.position(shared.index.appliedLSN))
  }

  /// Whether a document was made from such a draft.
  static func isSame(_ record: FileRecord, _ draft: FileDraft) -> Bool {
    let days = record.retentionPolicy == .temporary ? draft.ttlDays ?? RecordValidation.ttlDaysDefault : nil
    return record.originalFilename == draft.filename
      && record.contentType == draft.contentType ?? "application/octet-stream"
      && record.uploadedBy == draft.uploadedBy && record.description == draft.description
      && record.tags == draft.tags && record.metadata == draft.metadata && record.ttlDays == days
      && (draft.retentionPolicy ?? record.retentionPolicy) == record.retentionPolicy
  }

  static var otherRequest: APIError {
    APIError(
      .conflict, "this Idempotency-Key belongs to an upload of something else; choose a new key for another document")
  }
}
