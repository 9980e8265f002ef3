public import Core

/// Answer to `GET /info`.
public struct ApplianceInfo: Sendable, Codable {
  public var storageID: String
  public var mode: ApplianceMode
  public var status: Status
  public var version: String
  public var capacity: Capacity
  /// Single appliances have none of either yet; the contract keeps the names.
  public var replicaMode: String
  public var role: String
  public var allowedOperations: [String]
  /// The store's life: grows by one with every adopted copy.
  public var epoch: UInt64
  public var lastLSN: UInt64
  /// SHA-256 of the last sealed journal segment.
  public var chainHead: Checksum?
  public var clock: ClockState
  public var scrub: Scrub?
  public var tasks: [Task]
  /// Upkeep stands still by the setting `upkeep_paused`.
  public var upkeepPaused: Bool?
  /// LSN below which a cursor is too old: what was removed before it is not told any more.
  public var tombstoneFloor: UInt64?
  /// The key bundle's version, so that a caller knows whether to deliver a newer one.
  public var trustVersion: Int
  public var certificateExpiresAt: Timestamp
  /// Why the store takes no writes after an I/O error.
  public var readOnlyReason: String?
  /// Why the index takes no changes at present: they wait, and uploads are refused until it does.
  public var indexTrouble: String?

  public enum Status: String, Sendable, Hashable, Codable { case online, offline, degraded, maintenance }

  public struct Capacity: Sendable, Hashable, Codable {
    public var totalBytes: Int
    public var usedBytes: Int
    public var availableBytes: Int

    enum CodingKeys: String, CodingKey {
      case totalBytes = "total_bytes"
      case usedBytes = "used_bytes"
      case availableBytes = "available_bytes"
    }

    public init(totalBytes: Int, usedBytes: Int, availableBytes: Int) {
      self.totalBytes = totalBytes
      self.usedBytes = usedBytes
      self.availableBytes = availableBytes
    }
  }

  /// How much of what is kept has been read again, and found sound or marked.
  public struct Scrub: Sendable, Hashable, Codable {
    /// Share of the active documents read within the last `windowDays`, 0–1.
    public var verifiedRatio: Double
    public var windowDays: Int
    /// How long ago the document was read, or uploaded, that waits longest.
    public var oldestSeconds: Int
    public var lastPassEnded: Timestamp?
    /// A pass has begun and not ended.
    public var underway: Bool

    enum CodingKeys: String, CodingKey {
      case underway
      case verifiedRatio = "verified_ratio"
      case windowDays = "window_days"
      case oldestSeconds = "oldest_seconds"
      case lastPassEnded = "last_pass_ended"
    }

    public init(
      verifiedRatio: Double, windowDays: Int, oldestSeconds: Int, lastPassEnded: Timestamp?, underway: Bool
    ) {
      self.verifiedRatio = verifiedRatio
      self.windowDays = windowDays
      self.oldestSeconds = oldestSeconds
      self.lastPassEnded = lastPassEnded
      self.underway = underway
    }
  }

  /// One background task's state.
  public struct Task: Sendable, Hashable, Codable {
    public var name: String
    public var lastRun: Timestamp?
    public var lastResult: String?
    public var nextRun: Timestamp?

    enum CodingKeys: String, CodingKey {
      case name
      case lastRun = "last_run"
      case lastResult = "last_result"
      case nextRun = "next_run"
    }

    public init(name: String, lastRun: Timestamp?, lastResult: String?, nextRun: Timestamp?) {
      self.name = name
      self.lastRun = lastRun
      self.lastResult = lastResult
      self.nextRun = nextRun
    }
  }

  enum CodingKeys: String, CodingKey {
    case mode, status, version, capacity, role, epoch, clock, scrub, tasks
    case storageID = "storage_id"
    case replicaMode = "replica_mode"
    case allowedOperations = "allowed_operations"
    case lastLSN = "last_lsn"
    case chainHead = "chain_head"
    case trustVersion = "trust_version"
    case certificateExpiresAt = "certificate_expires_at"
    case readOnlyReason = "read_only_reason"
    case upkeepPaused = "upkeep_paused"
    case tombstoneFloor = "tombstone_floor"
    case indexTrouble = "index_trouble"
  }

  public init(
    storageID: String, mode: ApplianceMode, status: Status, capacity: Capacity, epoch: UInt64, lastLSN: UInt64,
    chainHead: Checksum?, clock: ClockState, tasks: [Task], trustVersion: Int, certificateExpiresAt: Timestamp,
    readOnlyReason: String?, scrub: Scrub? = nil, upkeepPaused: Bool? = nil, tombstoneFloor: UInt64? = nil,
    indexTrouble: String? = nil
  ) {
    self.storageID = storageID
    self.mode = mode
    self.status = status
    version = Product.version
    self.capacity = capacity
    replicaMode = "standalone"
    role = "primary"
    allowedOperations = mode.allowedOperations
    self.epoch = epoch
    self.lastLSN = lastLSN
    self.chainHead = chainHead
    self.clock = clock
    self.tasks = tasks
    self.trustVersion = trustVersion
    self.certificateExpiresAt = certificateExpiresAt
    self.readOnlyReason = readOnlyReason
    self.scrub = scrub
    self.upkeepPaused = upkeepPaused
    self.tombstoneFloor = tombstoneFloor
    self.indexTrouble = indexTrouble
  }
}
