internal import Core
internal import Disk
internal import StorageAPI

// `staging/<upload id>.upload.json`, version 1: what is known of an upload that comes in pieces; its bytes are in
// `staging/<upload id>.part` beside it.
//
//   {"version":1,"upload_id":"…","file_id":"…",
//    "owner":"…",                 whose upload it is: nobody else sees it
//    "length":…,                  of the whole document
//    "offset":…,                  bytes from the start that are durable; what the part holds beyond them counts as lost
//    "touched_at":"…",            when it last came forward: it expires some time after that
//    "finished":true|absent,      it has become the document `file_id`; kept so that a client that missed the answer
//                                 can ask
//    "has_chosen_id":true|absent, the client chose `file_id`
//    "expected":"…"|absent,       SHA-256 that the client declared for the whole
//    "metadata":"…",              the client's `Upload-Metadata`, as it was sent
//    "draft":{"filename":…,"content_type":…|absent,"uploaded_by":…,"retention_policy":…|absent,"ttl_days":…|absent,
//             "description":…|absent,"tags":[…],"metadata":{…}|absent,"trace_id":…}}
//
// Replaced as a whole, after the part was synced: so `offset` never says more than the disk holds. An upload whose last
// piece was committed and whose ledger does not say so yet is told by its document: the part is gone, `file_id` is
// there.
// A part without a ledger, or with one that cannot be read, is removed at the start; a ledger of a later version is
// left alone.

/// One upload in pieces, as it is written to disk.
struct UploadLedger: Codable, Equatable, Sendable {
  static let version = 1
  static let suffix = ".upload.json"
  static let bytesMax = 65_536

  var version = Self.version
  var uploadID: FileID
  var fileID: FileID
  var owner: String
  var length: Int
  var offset = 0
  var touchedAt: Timestamp
  var finished: Bool?
  var hasChosenID: Bool?
  var expected: Checksum?
  var metadata: String
  var draft: Draft

  enum CodingKeys: String, CodingKey {
    case version, owner, length, offset, finished, expected, metadata, draft
    case uploadID = "upload_id"
    case fileID = "file_id"
    case touchedAt = "touched_at"
    case hasChosenID = "has_chosen_id"
  }

  /// `FileDraft` as it is written.
  struct Draft: Codable, Equatable, Sendable {
    var filename: String
    var contentType: String?
    var uploadedBy: String
    var retentionPolicy: RetentionPolicy?
    var ttlDays: Int?
    var description: String?
    var tags: [String]
    var metadata: [String: JSONValue]?
    var traceID: String

    enum CodingKeys: String, CodingKey {
      case filename, description, tags, metadata
      case contentType = "content_type"
      case uploadedBy = "uploaded_by"
      case retentionPolicy = "retention_policy"
      case ttlDays = "ttl_days"
      case traceID = "trace_id"
    }

    init(_ draft: FileDraft) {
      filename = draft.filename
      contentType = draft.contentType
      uploadedBy = draft.uploadedBy
      retentionPolicy = draft.retentionPolicy
      ttlDays = draft.ttlDays
      description = draft.description
      tags = draft.tags
      metadata = draft.metadata
      traceID = draft.traceID
    }
  }

  var fileDraft: FileDraft {
    var file = FileDraft(filename: draft.filename, uploadedBy: draft.uploadedBy)
    file.id = fileID
    file.contentType = draft.contentType
    file.retentionPolicy = draft.retentionPolicy
    file.ttlDays = draft.ttlDays
    file.description = draft.description
    file.tags = draft.tags
    file.metadata = draft.metadata
    file.declaredSize = length
    file.traceID = draft.traceID
    return file
  }

  var partName: String { "\(uploadID).part" }
  var name: String { "\(uploadID)\(Self.suffix)" }

  /// Puts the ledger on the disk, durably, in place of an older state. Blocks.
  func write(to directory: String, _ disk: any Disk) throws(DiskError) {
    let bytes: [UInt8]
    do { bytes = try JSON.encode(self) } catch { throw .failed("encode (\(error))", "\(directory)/\(name)") }
    try disk.replace("\(directory)/\(name)", with: bytes)
  }

  enum Reading {
    case ledger(UploadLedger)
    /// Of a version that this program does not know.
    case foreign
    case unreadable
  }

  static func read(_ name: String, in directory: String, _ disk: any Disk) throws(DiskError) -> Reading {
    struct Head: Decodable { let version: Int }
    guard try disk.stat("\(directory)/\(name)").map({ $0.size <= bytesMax }) == true,
      let bytes = try disk.contents("\(directory)/\(name)", limit: bytesMax),
      let head = try? JSON.decode(Head.self, from: bytes)  // unreadable, as the answer says
    else { return .unreadable }
    guard head.version == version else { return .foreign }
    guard let ledger = try? JSON.decode(UploadLedger.self, from: bytes),  // unreadable, as the answer says
      ledger.name == name, ledger.offset >= 0, ledger.offset <= ledger.length
    else { return .unreadable }
    return .ledger(ledger)
  }
}
