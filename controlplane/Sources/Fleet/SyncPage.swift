internal import Catalogue
internal import Core
internal import HTTP
internal import StorageAPI

/// A page of an appliance's listing or feed, read line by line into COPY's text. Lines come from outside: each is
/// checked by itself, a bad one is left out and reported; a page without its closing line is void.
struct SyncPage: Sendable {
  /// Which lines a page may hold.
  enum Scope: Sendable {
    /// The feed: any file; where one stands twice, the later position counts.
    case feed
    /// A listing: ids in (`after`, `through`], each above the one before.
    case listing(after: FileID, through: FileID)
  }

  /// Rows as text for COPY, taken away by `takeText()`.
  private var text: [UInt8] = []
  /// Rows accepted.
  private(set) var rows = 0
  private(set) var hasRepeatedIDs = false
  private(set) var highestLSN: Int64 = 0
  /// The highest id of a listing that could be read, of refused lines too.
  private(set) var lastID: FileID?
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
  /// Bytes of a whole page, refused lines included: ten thousand records of the largest size fit.
  static let bytesMax = 64 << 20
  private static let complaintsMax = 5

  /// Lines accepted before the page is called too long.
  let linesMax: Int
  private let scope: Scope
  private var lines = 0
  private var seen: Set<FileID> = []

  init(linesMax: Int, scope: Scope = .feed) {
    self.linesMax = linesMax
    self.scope = scope
  }

  /// The rows read since the last call, as `FileCatalogue.stage` wants them.
  mutating func takeText() -> [UInt8] {
    defer { text = [] }
    return text
  }

  var textCount: Int { text.count }

  /// Takes one line without its end. Throws when the page as a whole cannot be believed.
  mutating func take(_ line: ArraySlice<UInt8>) throws(SyncPageError) {
    if line.allSatisfy({ $0 == 0x20 || $0 == 0x0D }) { return }
    guard closing == nil else { throw .afterTheEnd }
    lines += 1
    guard lines <= linesMax + 1 else { throw .tooManyLines(linesMax) }
    switch SyncLine(line) {
    case .plain(let row): accept(row)
    case .unusual: try takeUnusual(line)
    }
  }

  private mutating func takeUnusual(_ line: ArraySlice<UInt8>) throws(SyncPageError) {
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
      // What was validated is what is kept; the digest is that of the bytes as they came.
      let digest = Self.sent(line).map { RecordDigest(record.fileID, lsn: lsn, record: $0) }
      accept(SyncRow(put: record.json[...], of: record.fileID, lsn: lsn, digest: digest))
    case .delete(let lsn, let id): accept(SyncRow(delete: id, lsn: lsn))
    case .unreadable(let reason, let id): reject(reason, id: id)
    }
  }

  /// The record's bytes in a line as our appliances write it; nil for another order of members.
  private static func sent(_ line: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
    var scan = LineScan(at: 0)
    let text = line.span
    guard scan.skip(#"{"op":"put","lsn":"#, in: text), scan.number(in: text) != nil,
      scan.skip(#","record":"#, in: text), line.last == UInt8(ascii: "}")
    else { return nil }
    return line[(line.startIndex + scan.at)..<(line.endIndex - 1)]
  }

  private mutating func accept(_ row: SyncRow) {
    switch scope {
    case .feed:
      if !seen.insert(row.fileID).inserted { hasRepeatedIDs = true }
    case .listing(let after, let through):
      guard row.fileID > after, row.fileID <= through else {
        return refuse("an id outside the range that was asked for")
      }
      guard lastID.map({ row.fileID > $0 }) ?? true else { return refuse("an id twice, or out of order") }
      lastID = row.fileID
      guard row.record != nil else { return refuse("a deletion in a listing") }
    }
    highestLSN = max(highestLSN, row.lsn)
    row.appendCopyText(number: rows, to: &text)
    rows += 1
  }

  mutating func rejectLongLine() throws(SyncPageError) {
    guard closing == nil else { throw .afterTheEnd }
    lines += 1
    guard lines <= linesMax + 1 else { throw .tooManyLines(linesMax) }
    refuse("a line longer than \(Self.lineBytesMax) bytes")
  }

  private mutating func reject(_ reason: String, id: FileID?) {
    if let id, case .listing(let after, let through) = scope, id > (lastID ?? after), id <= through { lastID = id }
    refuse(reason)
  }

  private mutating func refuse(_ reason: String) {
    rejected += 1
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
  case wentBack
  case beyondPosition
  case stuck
  case endless
  case tooLong

  /// History is not the one that was followed so far.
  var isOtherHistory: Bool { self == .otherEpoch || self == .wentBack }

  var description: String {
    switch self {
    case .noClosing: "the page has no closing line: it was cut"
    case .badClosing: "the page's closing line has no readable cursor"
    case .afterTheEnd: "the page goes on after its closing line"
    case .tooManyLines(let count): "the page has more than the \(count) lines that were asked for"
    case .otherEpoch: "the appliance began another history in the middle of the sync"
    case .wentBack: "the appliance's position went back in the middle of the sync"
    case .beyondPosition: "the page has changes beyond the position it stands for"
    case .stuck: "the page says there is more but brings nothing"
    case .endless: "the appliance has more and more pages; the next sync goes on with them"
    case .tooLong: "the page is larger than \(SyncPage.bytesMax) bytes"
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
