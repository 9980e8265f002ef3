public import Core
public import StorageAPI

/// One line of an appliance's feed or listing, checked.
public struct SyncRow: Sendable {
  public enum Change: Sendable {
    case put(FileRecord)
    case delete(FileID)
  }

  public let change: Change
  public let lsn: Int64

  public init(_ change: Change, lsn: Int64) {
    self.change = change
    self.lsn = lsn
  }

  public var fileID: FileID {
    switch change {
    case .put(let record): record.fileID
    case .delete(let id): id
    }
  }

  /// The row in COPY's text format (PostgreSQL manual, "COPY"), in the order of `FileCatalogue.pageColumns`.
  func appendCopyText(to out: inout [UInt8]) {
    var row = CopyRow()
    switch change {
    case .delete(let id):
      row.add("t")
      row.add(String(lsn))
      row.add(id.description)
      for _ in 0..<13 { row.addNull() }
    case .put(let record):
      row.add("f")
      row.add(String(lsn))
      row.add(record.fileID.description)
      row.add(record.status.rawValue)
      row.add(record.originalFilename)
      row.add(record.contentType)
      row.add(String(record.size))
      row.add("\\x" + record.checksum.description)
      row.add(record.uploadedBy)
      row.add(record.uploadedAt.description)
      row.add(record.retentionPolicy.rawValue)
      row.add(record.description)
      row.add(CopyRow.array(record.tags))
      row.add(record.ttlDays.map { String($0) })
      row.add(record.expiresAt?.description)
      row.add(
        record.metadata.map { members in
          String(decoding: JSONWriter.document { $0.value(.object(members)) }, as: UTF8.self)
        })
    }
    row.end(into: &out)
  }
}

/// Writes one row of COPY's text format: tab between values, `\N` for NULL, backslash escapes.
struct CopyRow {
  private var bytes: [UInt8] = []
  private var isFirst = true

  mutating func add(_ value: String?) {
    guard let value else { return addNull() }
    separate()
    for byte in value.utf8 {
      switch byte {
      case UInt8(ascii: "\\"): bytes.append(contentsOf: "\\\\".utf8)
      case 0x09: bytes.append(contentsOf: "\\t".utf8)
      case 0x0A: bytes.append(contentsOf: "\\n".utf8)
      case 0x0D: bytes.append(contentsOf: "\\r".utf8)
      default: bytes.append(byte)
      }
    }
  }

  mutating func addNull() {
    separate()
    bytes.append(contentsOf: "\\N".utf8)
  }

  private mutating func separate() {
    if !isFirst { bytes.append(0x09) }
    isFirst = false
  }

  func end(into out: inout [UInt8]) {
    out += bytes
    out.append(0x0A)
  }

  /// The text form of a `text[]`.
  static func array(_ elements: [String]) -> String {
    var out = "{"
    for (index, element) in elements.enumerated() {
      if index > 0 { out += "," }
      out += "\""
      for scalar in element.unicodeScalars {
        if scalar == "\"" || scalar == "\\" { out += "\\" }
        out.unicodeScalars.append(scalar)
      }
      out += "\""
    }
    return out + "}"
  }
}
