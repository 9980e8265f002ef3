public import Core

/// Where a document stands in its life.
public enum FileStatus: String, Sendable, Hashable, Codable, CaseIterable {
  case active, expired, deleted
}

/// How long a document is meant to be kept: `temporary` ones carry a time to live.
public enum RetentionPolicy: String, Sendable, Hashable, Codable, CaseIterable {
  case temporary, permanent
}

/// What the contract calls a file record: what clients see of a document, and what its attributes say.
public struct FileRecord: Sendable, Hashable {
  public var fileID: FileID
  public var originalFilename: String
  public var contentType: String
  /// Bytes.
  public var size: Int
  public var checksum: Checksum
  /// The token's `sub` of the person or system that uploaded it.
  public var uploadedBy: String
  public var uploadedAt: Timestamp
  public var status: FileStatus
  public var retentionPolicy: RetentionPolicy
  /// At most 1000 characters.
  public var description: String?
  public var tags: [String]
  /// 1–365; nil for permanent documents.
  public var ttlDays: Int?
  public var expiresAt: Timestamp?
  /// The client's own object.
  public var metadata: [String: JSONValue]?

  public init(
    fileID: FileID, originalFilename: String, contentType: String, size: Int, checksum: Checksum, uploadedBy: String,
    uploadedAt: Timestamp, status: FileStatus = .active, retentionPolicy: RetentionPolicy, description: String? = nil,
    tags: [String] = [], ttlDays: Int? = nil, expiresAt: Timestamp? = nil, metadata: [String: JSONValue]? = nil
  ) {
    self.fileID = fileID
    self.originalFilename = originalFilename
    self.contentType = contentType
    self.size = size
    self.checksum = checksum
    self.uploadedBy = uploadedBy
    self.uploadedAt = uploadedAt
    self.status = status
    self.retentionPolicy = retentionPolicy
    self.description = description
    self.tags = tags
    self.ttlDays = ttlDays
    self.expiresAt = expiresAt
    self.metadata = metadata
  }
}

extension FileRecord: Codable {
  enum CodingKeys: String, CodingKey {
    case fileID = "file_id"
    case originalFilename = "original_filename"
    case contentType = "content_type"
    case size, checksum, status, description, tags, metadata
    case uploadedBy = "uploaded_by"
    case uploadedAt = "uploaded_at"
    case retentionPolicy = "retention_policy"
    case ttlDays = "ttl_days"
    case expiresAt = "expires_at"
  }

  public init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      fileID: try fields.decode(FileID.self, forKey: .fileID),
      originalFilename: try fields.decode(String.self, forKey: .originalFilename),
      contentType: try fields.decode(String.self, forKey: .contentType),
      size: try fields.decode(Int.self, forKey: .size),
      checksum: try fields.decode(Checksum.self, forKey: .checksum),
      uploadedBy: try fields.decode(String.self, forKey: .uploadedBy),
      uploadedAt: try fields.decode(Timestamp.self, forKey: .uploadedAt),
      status: try fields.decode(FileStatus.self, forKey: .status),
      retentionPolicy: try fields.decode(RetentionPolicy.self, forKey: .retentionPolicy),
      description: try fields.decodeIfPresent(String.self, forKey: .description),
      tags: try fields.decodeIfPresent([String].self, forKey: .tags) ?? [],
      ttlDays: try fields.decodeIfPresent(Int.self, forKey: .ttlDays),
      expiresAt: try fields.decodeIfPresent(Timestamp.self, forKey: .expiresAt),
      metadata: try fields.decodeIfPresent([String: JSONValue].self, forKey: .metadata))
  }
}

extension FileRecord {
  /// The record as the contract's JSON object, straight into bytes; members always in this order.
  public var json: [UInt8] { JSONWriter.document(reserving: 640) { $0.value(self) } }
}

extension JSONWriter {
  /// A file record as the contract's JSON object.
  public mutating func value(_ record: FileRecord) {
    object { json in json.members(of: record) }
  }

  /// The members of a file record, for objects that hold more than one.
  public mutating func members(of record: FileRecord) {
    member("file_id", record.fileID.description)
    member("original_filename", record.originalFilename)
    member("content_type", record.contentType)
    member("size", record.size)
    member("checksum", record.checksum.description)
    member("uploaded_by", record.uploadedBy)
    member("uploaded_at", record.uploadedAt)
    member("status", record.status.rawValue)
    member("retention_policy", record.retentionPolicy.rawValue)
    if let description = record.description { member("description", description) }
    key("tags")
    array { json in for tag in record.tags { json.string(tag) } }
    key("ttl_days")
    if let days = record.ttlDays { integer(days) } else { null() }
    member("expires_at", record.expiresAt)
    if let metadata = record.metadata {
      key("metadata")
      value(.object(metadata))
    }
  }
}
