public import Core
public import Postgres
public import StorageAPI

/// A place in one appliance's history, as the catalogue orders it: an epoch is one life of the store.
public struct RowPosition: Sendable, Hashable, Comparable {
  public let epoch: Int64
  public let lsn: Int64

  public init(epoch: Int64, lsn: Int64) {
    self.epoch = epoch
    self.lsn = lsn
  }

  /// From the wire. Nil for numbers beyond 2^63, which no store reaches.
  public init?(_ position: Position) {
    guard let epoch = Int64(exactly: position.epoch), let lsn = Int64(exactly: position.lsn) else { return nil }
    self.init(epoch: epoch, lsn: lsn)
  }

  public static func < (a: RowPosition, b: RowPosition) -> Bool { (a.epoch, a.lsn) < (b.epoch, b.lsn) }
}

/// What the catalogue knows of a file: its record, who holds it and as of which change.
public struct CatalogueEntry: Sendable {
  public let record: FileRecord
  /// `storage_elements.id` of the holder.
  public let applianceID: FileID
  public let position: RowPosition
  /// When a sync did not find it at its appliance; nil normally.
  public let missingSince: Timestamp?

  public init(record: FileRecord, applianceID: FileID, position: RowPosition, missingSince: Timestamp?) {
    self.record = record
    self.applianceID = applianceID
    self.position = position
    self.missingSince = missingSince
  }
}

extension CatalogueEntry {
  /// The columns `init(row:)` reads, for SELECT lists; `files` must be in FROM without another name.
  public static let columns: Query = """
    files.file_id, files.appliance_id, files.epoch, files.lsn, files.status, files.original_filename,
    files.content_type, files.size, files.checksum, files.uploaded_by, files.uploaded_at, files.retention_policy,
    files.description, files.tags, files.ttl_days, files.expires_at, files.metadata, files.missing_since
    """

  public init(row: Row) throws(PostgresError) {
    let metadata: JSONValue? = try row.decode("metadata")
    let fields: [String: JSONValue]? = if case .object(let members) = metadata { members } else { nil }
    guard let status = FileStatus(rawValue: try row.decode("status")),
      let retention = RetentionPolicy(rawValue: try row.decode("retention_policy"))
    else { throw PostgresError(.decoding, "a file row with an unknown status or retention policy") }
    self.init(
      record: FileRecord(
        fileID: try row.decode("file_id"), originalFilename: try row.decode("original_filename"),
        contentType: try row.decode("content_type"), size: try row.decode("size"),
        checksum: try row.decode("checksum"), uploadedBy: try row.decode("uploaded_by"),
        uploadedAt: try row.decode("uploaded_at"), status: status, retentionPolicy: retention,
        description: try row.decode("description"), tags: try row.decode("tags"),
        ttlDays: try row.decode("ttl_days"), expiresAt: try row.decode("expires_at"), metadata: fields),
      applianceID: try row.decode("appliance_id"),
      position: RowPosition(epoch: try row.decode("epoch"), lsn: try row.decode("lsn")),
      missingSince: try row.decode("missing_since"))
  }
}
