internal import Core
public import StorageAPI

// `<document>.attr.json`, version 1: one JSON object, at most 4096 bytes, the single source of truth for a document.
//
//   {"version":1,"epoch":1,"lsn":42,"storage_path":"files/2026/…","file_id":"…", …the file record…}
//
// `epoch` and `lsn` name the change that wrote it. The record's members follow in the order in which the API writes
// them, so that the API's bytes are a slice of these.

/// A document's attributes as they are written to disk and into the journal.
public struct Attributes: Sendable {
  public static let version = 1
  /// The contract's bound on the file's size.
  public static let bytesMax = 4096

  public let record: FileRecord
  /// Below the data directory.
  public let path: String
  public let epoch: UInt64
  public let lsn: UInt64

  /// The file's bytes. `json` is the record's own object.
  package static func encode(json: [UInt8], path: String, epoch: UInt64, lsn: UInt64) -> [UInt8] {
    var writer = JSONWriter(reserving: json.count + path.utf8.count + 96)
    writer.object { writer in
      writer.member("version", version)
      writer.member("epoch", epoch)
      writer.member("lsn", lsn)
      writer.member("storage_path", path)
      writer.raw(json.dropFirst().dropLast())
    }
    return writer.bytes
  }

  /// The file's bytes.
  public var encoded: [UInt8] { Self.encode(json: record.json, path: path, epoch: epoch, lsn: lsn) }

  /// Whether `encode` surely fits the file: every byte of the path might need an escape.
  static func isSmall(json: [UInt8], path: String) -> Bool { json.count + path.utf8.count * 6 + 128 <= bytesMax }

  /// The size that `encode` will have at most, whatever the LSN.
  static func sizeMax(json: [UInt8], path: String) -> Int {
    encode(json: json, path: path, epoch: .max, lsn: .max).count
  }

  /// Reads a file back. Throws what `JSON.explain` can put into words.
  public init(_ bytes: some Sequence<UInt8>) throws {
    let bytes = Array(bytes)
    self = try AttributesReader.read(bytes)?.attributes ?? Self.decoded(bytes)
  }

  /// Whatever form the file's JSON has.
  package static func decoded(_ bytes: [UInt8]) throws -> Attributes { try JSON.decode(Attributes.self, from: bytes) }

  /// As `init`, and the record's own JSON as it would be written.
  static func withJSON(_ bytes: [UInt8]) throws -> (attributes: Attributes, json: [UInt8]) {
    guard let (attributes, members) = AttributesReader.read(bytes) else {
      let attributes = try decoded(bytes)
      return (attributes, attributes.record.json)
    }
    var json: [UInt8] = []
    json.reserveCapacity(bytes.count - members + 1)
    json.append(UInt8(ascii: "{"))
    json.append(contentsOf: bytes[members...])
    return (attributes, json)
  }

  /// A document's path is below `files/` and stays there.
  static func isBelowFiles(_ path: String) -> Bool {
    path.utf8.starts(with: "files/".utf8)
      && !path.utf8.split(separator: UInt8(ascii: "/")).contains { $0.elementsEqual("..".utf8) }
  }
}

extension Attributes: Decodable {
  enum CodingKeys: String, CodingKey {
    case version, epoch, lsn
    case path = "storage_path"
  }

  public init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: CodingKeys.self)
    let version = try fields.decode(Int.self, forKey: .version)
    guard version == Self.version else {
      throw DecodingError.dataCorruptedError(
        forKey: .version, in: fields, debugDescription: "version \(version); this program reads \(Self.version)")
    }
    let path = try fields.decode(String.self, forKey: .path)
    guard Self.isBelowFiles(path) else {
      throw DecodingError.dataCorruptedError(forKey: .path, in: fields, debugDescription: "not below files/")
    }
    self.init(
      record: try FileRecord(from: decoder), path: path,
      epoch: try fields.decode(UInt64.self, forKey: .epoch), lsn: try fields.decode(UInt64.self, forKey: .lsn))
  }

  init(record: FileRecord, path: String, epoch: UInt64, lsn: UInt64) {
    self.record = record
    self.path = path
    self.epoch = epoch
    self.lsn = lsn
  }
}
