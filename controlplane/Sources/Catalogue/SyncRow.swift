public import Core
internal import Crypto
public import StorageAPI

/// One line of an appliance's feed or listing, checked: the state of a file as of `lsn`.
public struct SyncRow: Sendable {
  public let fileID: FileID
  public let lsn: Int64
  /// The contract's file record as JSON without raw control characters in it; nil: the file is gone.
  public let record: ArraySlice<UInt8>?
  /// What this row adds to its bucket of the appliance's digest; 0 for a file that is gone.
  public let digest: RecordDigest

  /// Whether the record holds neither backslashes nor control characters.
  private let isPlain: Bool

  /// A file's record. `digest` is that of the bytes the appliance sent, where those are not `record`.
  public init(
    put record: ArraySlice<UInt8>, of id: FileID, lsn: Int64, digest: RecordDigest? = nil, isPlain: Bool = false
  ) {
    self.isPlain = isPlain
    self.fileID = id
    self.lsn = lsn
    self.record = record
    self.digest = digest ?? RecordDigest(id, lsn: lsn, record: record)
  }

  public init(put record: FileRecord, lsn: Int64) { self.init(put: record.json[...], of: record.fileID, lsn: lsn) }

  public init(delete id: FileID, lsn: Int64) {
    self.fileID = id
    self.lsn = lsn
    record = nil
    isPlain = true
    digest = RecordDigest(value: 0)
  }

  /// The row in COPY's text format (PostgreSQL manual, "COPY", "Text Format"), in the order of
  /// `FileCatalogue.pageColumns`: the record goes as it came, as text. `number` counts the rows of the page.
  public func appendCopyText(number: Int, to out: inout [UInt8]) {
    out.appendDecimal(number)
    out.append(contentsOf: record == nil ? "\tt\t".utf8 : "\tf\t".utf8)
    out.appendDecimal(Int(lsn))
    out.append(0x09)
    out.append(contentsOf: fileID.text)
    guard let record else {
      out.append(contentsOf: "\t\\N\t\\N\t\\N\n".utf8)
      return
    }
    out.append(contentsOf: "\t\(digest.high)\t\(digest.low)\t".utf8)
    if isPlain {
      out.append(contentsOf: record)
      out.append(0x0A)
      return
    }
    for byte in record {
      // Between JSON's tokens line ends and tabs mean nothing; inside strings they are escaped.
      switch byte {
      case 0x5C: out.append(contentsOf: [0x5C, 0x5C])
      case 0x09, 0x0A, 0x0D: out.append(0x20)
      default: out.append(byte)
      }
    }
    out.append(0x0A)
  }
}

/// A row's part of its bucket in an appliance's digest (DESIGN §4.6): the first 128 bits of
/// SHA-256(id ‖ lsn, 8 bytes big-endian ‖ SHA-256(record)). Sums are modulo 2^128.
public struct RecordDigest: Sendable, Hashable {
  public let value: UInt128

  public init(value: UInt128) { self.value = value }

  public init(_ id: FileID, lsn: Int64, record: ArraySlice<UInt8>) {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(56)
    for word in [id.high, id.low, UInt64(bitPattern: lsn)] {
      for shift in stride(from: UInt64(56), through: 0, by: -8) {
        bytes.append(UInt8(truncatingIfNeeded: word >> shift))
      }
    }
    var inner = SHA256()
    inner.update(record)
    bytes.append(contentsOf: inner.finish().bytes)
    value = SHA256.digest(bytes).bytes.prefix(16).reduce(0) { $0 << 8 | UInt128($1) }
  }

  /// The two halves as PostgreSQL keeps them.
  var high: Int64 { Int64(truncatingIfNeeded: value >> 64) }
  var low: Int64 { Int64(truncatingIfNeeded: value) }

  /// The bucket of an id: its first byte.
  public static func bucket(_ id: FileID) -> Int { Int(id.high >> 56) }
  public static let bucketCount = 256
}
