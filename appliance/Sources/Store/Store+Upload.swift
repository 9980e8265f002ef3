internal import Core
internal import Disk
public import HTTP
internal import StorageAPI

extension Store {
  /// Checks mode, attributes and room. `MODE_NOT_ALLOWED`, `VALIDATION_ERROR`, `STORAGE_FULL`, `FILE_TOO_LARGE`,
  /// `READ_ONLY`, `OVERLOADED`.
  /// With a key, a repeated upload gives the document that the first one made (`CONFLICT` when it is another one).
  public func beginUpload(_ draft: FileDraft, once key: OnceKey? = nil) throws(APIError) -> Upload {
    var draft = draft
    let once = try key.map { (key) throws(APIError) in try claim(key) }
    if let once, draft.id == nil { draft.id = once.id }
    var isRepetition = false
    if once != nil, let id = draft.id { isRepetition = try isDocument(id) }
    // The mode as it is checked: the end of the upload compares it.
    let mode = mode
    if !isRepetition { try check(draft, in: mode) }
    guard capacity.enter(limit: configuration.openUploadsMax) else {
      throw APIError(
        .overloaded, "too many uploads are open on this storage; try again in a second", headers: ["Retry-After": "1"])
    }
    let promised = (draft.declaredSize ?? configuration.smallDocumentBytesMax) + Capacity.overheadBytes
    let reserved = isRepetition ? 0 : promised
    guard reserve(reserved) else {
      capacity.leave()
      throw .full
    }
    return Upload(
      self, draft: draft, id: draft.id ?? .random(random), mode: mode, reserved: reserved, once: once,
      isRepetition: isRepetition)
  }

  /// Whether a document of this draft may be begun.
  func check(_ draft: FileDraft, in mode: ApplianceMode) throws(APIError) {
    if let reason = readOnlyReason { throw .readOnly(reason) }
    guard mode.allows(.upload) else { throw .notAllowed(.upload, in: mode) }
    try DraftRules.check(draft, in: mode)
    if let size = draft.declaredSize, size > configuration.fileBytesMax { throw .tooLarge(configuration.fileBytesMax) }
  }

  func reserve(_ count: Int) -> Bool {
    if count == 0 { return true }
    guard shared.placements.stalled == nil, !shared.index.isStalled, !shared.index.isBehind else { return false }
    return capacity.reserve(count, used: shared.index.usedBytes, pending: shared.placements.bytes)
  }

  /// The record that a finished upload becomes. `checkedIn`: the mode that this very draft was checked in.
  func prepare(
    _ draft: FileDraft, id: FileID, checksum: Checksum, size: Int, body: PreparedDocument.Body, hasChosenID: Bool,
    checkedIn known: ApplianceMode? = nil
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
    let path = StoredName.path(
      id: id, filename: draft.filename, uploader: draft.uploadedBy, at: now, directory: hourDirectories.next(at: now))
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
