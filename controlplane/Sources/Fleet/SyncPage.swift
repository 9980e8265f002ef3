internal import Catalogue
internal import Core
internal import HTTP
internal import StorageAPI

/// A page of an appliance's listing or feed, read line by line. Lines come from outside: each is checked by itself, a
/// bad one is left out and reported; a page without its closing line is void.
struct SyncPage: Sendable {
  private(set) var rows: [SyncRow] = []
  /// Ids of refused lines that could still be read: what is listed is not missing.
  private(set) var refusedIDs: [FileID] = []
  /// Why lines were refused; the first few.
  private(set) var complaints: [String] = []
  private(set) var rejected = 0
  private(set) var closing: Closing?

  struct Closing: Sendable, Hashable {
    let cursor: String
    let position: Position
    let more: Bool
  }

  static let lineBytesMax = 64 * 1024
  private static let complaintsMax = 5

  /// Lines accepted before the page is called too long.
  let linesMax: Int
  private var lines = 0

  init(linesMax: Int) { self.linesMax = linesMax }

  /// Takes one line without its end. Throws when the page as a whole cannot be believed.
  mutating func take(_ line: ArraySlice<UInt8>) throws(SyncPageError) {
    if line.allSatisfy({ $0 == 0x20 || $0 == 0x0D }) { return }
    guard closing == nil else { throw .afterTheEnd }
    lines += 1
    guard lines <= linesMax + 1 else { throw .tooManyLines(linesMax) }
    let parsed: Line
    do {
      parsed = try JSON.decode(Line.self, from: line)
    } catch {
      return reject(JSON.explain(error), id: nil)
    }
    switch parsed {
    case .closing(let cursor, let more):
      guard let position = Position(cursor: cursor) else { throw .badClosing }
      closing = Closing(cursor: cursor, position: position, more: more)
    case .put(let lsn, let record):
      if let reason = Self.objection(to: record) { return reject(reason, id: record.fileID) }
      rows.append(SyncRow(.put(record), lsn: lsn))
    case .delete(let lsn, let id): rows.append(SyncRow(.delete(id), lsn: lsn))
    case .unreadable(let reason, let id): reject(reason, id: id)
    }
  }

  mutating func rejectLongLine() throws(SyncPageError) {
    guard closing == nil else { throw .afterTheEnd }
    lines += 1
    reject("a line longer than \(Self.lineBytesMax) bytes", id: nil)
  }

  /// Drops what lies outside (`after`, `through`]: a listing page speaks for its own range only.
  mutating func keep(after: FileID, through: FileID) {
    let before = rows.count
    rows.removeAll { !($0.fileID > after && $0.fileID <= through) }
    if rows.count < before {
      rejected += before - rows.count
      complain("\(before - rows.count) ids outside the range that was asked for")
    }
  }

  private mutating func reject(_ reason: String, id: FileID?) {
    rejected += 1
    if let id { refusedIDs.append(id) }
    complain(reason)
  }

  private mutating func complain(_ reason: String) {
    if complaints.count < Self.complaintsMax { complaints.append(reason) }
  }

  /// What the catalogue could not keep, or what no appliance of ours would say.
  private static func objection(to record: FileRecord) -> String? {
    do throws(APIError) {
      try RecordValidation.filename(record.originalFilename)
      try RecordValidation.contentType(record.contentType)
      try RecordValidation.subject(record.uploadedBy)
      if let description = record.description { try RecordValidation.description(description) }
      try RecordValidation.tags(record.tags)
      if let days = record.ttlDays { try RecordValidation.ttlDays(days) }
      if let metadata = record.metadata { try RecordValidation.metadata(metadata) }
    } catch {
      return error.message
    }
    guard record.size >= 0 else { return "size: negative" }
    // PostgreSQL's jsonb cannot hold U+0000.
    if let metadata = record.metadata, Self.holdsZero(.object(metadata)) { return "metadata: holds U+0000" }
    return nil
  }

  private static func holdsZero(_ value: JSONValue) -> Bool {
    switch value {
    case .string(let text): text.utf8.contains(0)
    case .array(let values): values.contains(where: holdsZero)
    case .object(let members): members.contains { $0.key.utf8.contains(0) || holdsZero($0.value) }
    default: false
    }
  }
}

/// Why a page is void.
enum SyncPageError: Error, Hashable, CustomStringConvertible {
  case noClosing
  case badClosing
  case afterTheEnd
  case tooManyLines(Int)
  case otherEpoch
  case stuck

  var description: String {
    switch self {
    case .noClosing: "the page has no closing line: it was cut"
    case .badClosing: "the page's closing line has no readable cursor"
    case .afterTheEnd: "the page goes on after its closing line"
    case .tooManyLines(let count): "the page has more than the \(count) lines that were asked for"
    case .otherEpoch: "the appliance began another history in the middle of the sync"
    case .stuck: "the page says there is more but brings nothing"
    }
  }
}

/// `{op:"put",lsn,record}`, `{op:"delete",lsn,file_id}` or `{cursor,more}`.
private enum Line: Decodable {
  case put(lsn: Int64, FileRecord)
  case delete(lsn: Int64, FileID)
  case closing(cursor: String, more: Bool)
  /// A line whose kind or record is wrong, with its id where that can be read.
  case unreadable(String, FileID?)

  enum CodingKeys: String, CodingKey {
    case op, lsn, record, cursor, more
    case fileID = "file_id"
  }

  init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: CodingKeys.self)
    guard let op = try fields.decodeIfPresent(String.self, forKey: .op) else {
      self = .closing(
        cursor: try fields.decode(String.self, forKey: .cursor), more: try fields.decode(Bool.self, forKey: .more))
      return
    }
    let lsn = try fields.decode(Int64.self, forKey: .lsn)
    guard lsn >= 0 else {
      self = .unreadable("lsn: negative", nil)
      return
    }
    switch op {
    case "put":
      do {
        self = .put(lsn: lsn, try fields.decode(FileRecord.self, forKey: .record))
      } catch {
        let identity = try? fields.decode(IdentityOnly.self, forKey: .record)  // nil when even that is wrong
        self = .unreadable(JSON.explain(error), identity?.fileID)
      }
    case "delete": self = .delete(lsn: lsn, try fields.decode(FileID.self, forKey: .fileID))
    default: self = .unreadable("op: neither put nor delete", nil)
    }
  }

  private struct IdentityOnly: Decodable {
    let fileID: FileID
    enum CodingKeys: String, CodingKey { case fileID = "file_id" }
  }
}
