public import Core
public import StorageAPI

/// Where and how a store is kept. Paths are absolute; `journalDirectory` and `indexDirectory` may lie on other disks.
public struct StoreConfiguration: Sendable {
  /// Holds `files/`, `staging/`, `quarantine/` and `state/`; one file system.
  public var dataDirectory: String
  public var journalDirectory: String
  public var indexDirectory: String
  /// The mode of a new store. An existing one keeps the mode that it is in.
  public var initialMode: ApplianceMode
  /// Bytes of documents this store may hold; nil: what the disk has.
  public var capacityLimitBytes: Int?
  /// Bytes of free space that uploads never get: room for journal, attributes and deletes; nil: min(256 MiB, 5 %).
  public var headroomBytes: Int?
  /// Largest document in bytes.
  public var fileBytesMax = 1 << 40
  /// Documents up to this many bytes travel inside the journal's record.
  public var smallDocumentBytesMax = 65_536
  /// Bytes of a larger document that are gathered for one write, while they come fast.
  public var stagedWriteBytes = 512 << 10
  /// Documents that one directory gets before the hour goes on in another.
  public var directoryDocumentsMax = 2048
  /// Uploads that may be open at once.
  public var openUploadsMax = 4096
  /// Unfinished uploads in pieces that one subject may have, and what they may take together, in bytes.
  public var uploadsPerOwnerMax = 256
  public var uploadBytesPerOwnerMax = 64 << 30
  /// How long an upload in pieces waits for its next piece, and a finished one is remembered.
  public var uploadExpiry: Duration = .seconds(3 * 86_400)
  /// Changes waiting for the committer at once; more are refused with `OVERLOADED`.
  public var queuedChangesMax = 4096
  /// Documents and attributes whose placement may lag behind their acknowledgement.
  public var unplacedBytesMax = 64 << 20
  /// How long a tombstone stays in the feed.
  public var tombstoneDays = 90
  /// Bytes of archived journal to keep; nil: 5 % of the journal's disk.
  public var archiveBytesMax: Int?
  /// Days of archived journal to keep; nil: as many as `archiveBytesMax` allows.
  public var archiveDaysMax: Int?
  /// Size at which a journal segment is sealed.
  public var segmentBytesMax = 16 << 20
  /// With threads the store commits, places and checkpoints by itself; without them `Store.step` does, for simulations.
  public var runsThreads = true
  /// Whether a rebuild of the index reads on a thread of its own; simulations have none.
  public var rebuildsOnTwoThreads = true
  /// Uses this id for a new store; nil: a random one.
  public var applianceID: FileID?

  public init(dataDirectory: String, journalDirectory: String, indexDirectory: String, initialMode: ApplianceMode) {
    self.dataDirectory = dataDirectory
    self.journalDirectory = journalDirectory
    self.indexDirectory = indexDirectory
    self.initialMode = initialMode
  }
}
