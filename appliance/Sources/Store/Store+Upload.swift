internal import Core
internal import Disk
public import HTTP
internal import StorageAPI

extension Store {
  /// Checks mode, attributes and room. `MODE_NOT_ALLOWED`, `VALIDATION_ERROR`, `STORAGE_FULL`, `FILE_TOO_LARGE`,
  /// `READ_ONLY`, `OVERLOADED`.
  public func beginUpload(_ draft: FileDraft) throws(APIError) -> Upload {
    if let reason = readOnlyReason { throw .readOnly(reason) }
    let mode = mode
    guard mode.allows(.upload) else { throw .notAllowed(.upload, in: mode) }
    try DraftRules.check(draft, in: mode)
    if let size = draft.declaredSize, size > configuration.fileBytesMax { throw .tooLarge(configuration.fileBytesMax) }
    guard capacity.enter(limit: configuration.openUploadsMax) else {
      throw APIError(
        .overloaded, "too many uploads are open on this storage; try again in a second", headers: ["Retry-After": "1"])
    }
    let promised = draft.declaredSize ?? configuration.smallDocumentBytesMax
    guard reserve(promised + Capacity.overheadBytes) else {
      capacity.leave()
      throw .full
    }
    return Upload(
      self, draft: draft, id: draft.id ?? .random(random), mode: mode, reserved: promised + Capacity.overheadBytes)
  }

  func reserve(_ count: Int) -> Bool {
    guard shared.placements.stalled == nil else { return false }
    let used = shared.index.snapshot.totals.counts.reduce(0) { $0 + $1.bytes }
    return capacity.reserve(count, used: used, pending: shared.placements.bytes)
  }

  /// The record that a finished upload becomes. `checkedIn`: the mode that this very draft was checked in.
  func prepare(
    _ draft: FileDraft, id: FileID, checksum: Checksum, size: Int, body: PreparedDocument.Body, hasChosenID: Bool,
    checkedIn known: ApplianceMode?
  ) throws(APIError) -> PreparedDocument {
    let mode = mode
    if known != mode { try DraftRules.check(draft, in: mode) }
    // Milliseconds: what the text of a time carries without a tail.
    let now = Timestamp(microseconds: shared.time.now().microseconds / 1000 * 1000)
    let policy = mode.retentionPolicy
    let days = policy == .temporary ? draft.ttlDays ?? RecordValidation.ttlDaysDefault : nil
    let record = FileRecord(
      fileID: id, originalFilename: draft.filename, contentType: draft.contentType ?? "application/octet-stream",
      size: size, checksum: checksum, uploadedBy: draft.uploadedBy, uploadedAt: now, retentionPolicy: policy,
      description: draft.description, tags: draft.tags, ttlDays: days,
      expiresAt: days.map { now + .seconds($0 * 86_400) }, metadata: draft.metadata)
    let path = StoredName.path(id: id, filename: draft.filename, uploader: draft.uploadedBy, at: now)
    let json = record.json
    if !Attributes.isSmall(json: json, path: path) {
      try DraftRules.check(size: Attributes.sizeMax(json: json, path: path), of: record)
    }
    return PreparedDocument(record: record, json: json, path: path, body: body, hasChosenID: hasChosenID)
  }

  func refusal(_ error: DiskError) -> APIError {
    error.isFull
      ? .full : APIError(.internalError, "the storage could not write; its operator has to look at it", cause: error)
  }
}

extension APIError {
  static func tooLarge(_ limit: Int) -> APIError {
    APIError(
      .fileTooLarge, "this storage takes documents of at most \(limit) bytes",
      details: ["limit_bytes": .integer(Int64(limit))])
  }
}
