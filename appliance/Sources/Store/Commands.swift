internal import Core
internal import HTTP
internal import Journal
internal import StorageAPI

/// A change waiting for the committer, and who hears how it ended.
struct Command: Sendable {
  let action: Action
  let actor: Actor
  let reply: @Sendable (Result<Reply, APIError>) -> Void

  enum Action: Sendable {
    case put(PreparedDocument)
    case patch(FileID, FilePatch)
    case delete(FileID)
    /// Past its time: only when it is still active and still past it.
    case expire(FileID)
    /// Removed for good: only when it is expired or deleted since before `before`.
    case purge(FileID, before: Timestamp)
    case transition(ApplianceMode, confirm: Bool)
    /// On the host, whatever the rules of the API.
    case setMode(ApplianceMode)
    /// Attributes found or restored by reconcile: only when the store knows nothing as new about the document.
    case repair(Attributes)
    case checkpoint(UInt64)
    case note(String)
    /// Seals the journal's active segment early, when that is worth it.
    case seal
  }

  enum Reply: Sendable {
    case committed(Committed)
    case transition(CommittedTransition)
    case done(lsn: UInt64)
    /// The chain's newest link, and whether it came to be now.
    case sealed(ChainLink, isNew: Bool)
  }
}

/// A new document, everything about it known but its LSN.
struct PreparedDocument: Sendable {
  let record: FileRecord
  let json: [UInt8]
  let path: String
  let body: Body
  /// The client chose the id, so that it may exist already.
  let hasChosenID: Bool

  enum Body: Sendable {
    case inline([UInt8])
    /// Durable under this name in `staging/`.
    case staged(String)
  }
}

extension FileStatus {
  /// The number in the index.
  var number: Int {
    switch self {
    case .active: 0
    case .expired: 1
    case .deleted: 2
    }
  }
}

extension IndexRow {
  init(_ record: FileRecord, json: [UInt8], path: String, lsn: UInt64, changedAt: Timestamp) {
    self.init(
      id: record.fileID, lsn: lsn, status: record.status.number, size: record.size, uploadedAt: record.uploadedAt,
      expiresAt: record.expiresAt, changedAt: changedAt, path: path, json: json)
  }
}
