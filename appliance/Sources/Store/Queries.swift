public import Core
public import StorageAPI

/// A page of the listing, oldest upload first.
public struct ListQuery: Sendable {
  /// 1–1000.
  public var limit = 100
  public var offset = 0
  /// What an earlier page returned; wins over `offset`.
  public var cursor: String?
  public var status: FileStatus?

  public init(limit: Int = 100, offset: Int = 0, cursor: String? = nil, status: FileStatus? = nil) {
    self.limit = limit
    self.offset = offset
    self.cursor = cursor
    self.status = status
  }
}

public struct ListPage: Sendable {
  /// The records' JSON, separated by commas: what stands between the brackets of `items`.
  public let items: [UInt8]
  public let count: Int
  /// Of all pages, under the filter.
  public let total: Int
  public let hasMore: Bool
  public let nextCursor: String?
}

/// Lines of the change feed or of an id range, NDJSON, the closing line included.
public struct ChangePage: Sendable {
  public let lines: [UInt8]
  /// Lines without the closing one.
  public let count: Int
  /// Where the page ends, or which state it stands for.
  public let position: Position
  public let hasMore: Bool
}

/// 256 bucket sums over the live rows, as they stand at `position`: each 128 bits as 32 hexadecimal digits.
public struct Digest: Sendable {
  public let position: Position
  public let buckets: [String]
}

/// The store as `/info`, `/metrics` and readiness show it.
public struct StoreSummary: Sendable {
  public struct Count: Sendable, Hashable {
    public var files = 0
    public var bytes = 0
    public init(files: Int = 0, bytes: Int = 0) {
      self.files = files
      self.bytes = bytes
    }
  }

  public var storageID: FileID
  public var mode: ApplianceMode
  public var counts: [FileStatus: Count]
  public var totalBytes: Int
  public var usedBytes: Int
  /// What uploads may still take.
  public var availableBytes: Int
  public var epoch: UInt64
  public var lastLSN: UInt64
  /// SHA-256 of the journal's last sealed segment.
  public var chainHead: Checksum
  public var position: Position?
  /// Set when the store stopped writing for good.
  public var readOnlyReason: String?
  public var index: IndexState
  /// LSN below which a cursor is too old.
  public var tombstoneFloor: UInt64
  /// Bytes acknowledged and not yet in place.
  public var unplacedBytes: Int
  public var checkpointLSN: UInt64
  public var journal: JournalSummary
  /// What recovery found and did at the start.
  public var recovery: RecoverySummary
  /// Why changes cannot enter the index now; uploads are refused until they can.
  public var indexTrouble: String?
  /// Changes that are not in the index's file yet.
  public var waitingChanges: Int
}

public enum IndexState: Sendable, Hashable {
  case ready
  /// Attributes read so far, of how many is unknown until the end.
  case rebuilding(files: Int)
  case failed(reason: String)
}

public struct JournalSummary: Sendable, Hashable {
  public var batches: UInt64 = 0
  public var records: UInt64 = 0
  public var bytes: UInt64 = 0
  public var segment: UInt64 = 0
  public init() {}
}

public struct RecoverySummary: Sendable, Hashable {
  /// Records redone.
  public var records = 0
  /// Documents rewritten or moved into place.
  public var documents = 0
  /// Where a torn tail was set aside.
  public var tornTail: String?
  public var seconds = 0.0
  public init() {}
}
