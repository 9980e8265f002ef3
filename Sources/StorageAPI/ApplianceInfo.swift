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
  public var tasks: [Task]
  /// The key bundle's version, so that a caller knows whether to deliver a newer one.
  public var trustVersion: Int
  public var certificateExpiresAt: Timestamp
  /// Why the store takes no writes after an I/O error.
  public var readOnlyReason: String?

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
    case mode, status, version, capacity, role, epoch, clock, tasks
    case storageID = "storage_id"
    case replicaMode = "replica_mode"
    case allowedOperations = "allowed_operations"
    case lastLSN = "last_lsn"
    case chainHead = "chain_head"
    case trustVersion = "trust_version"
    case certificateExpiresAt = "certificate_expires_at"
    case readOnlyReason = "read_only_reason"
  }

  public init(
    storageID: String, mode: ApplianceMode, status: Status, capacity: Capacity, epoch: UInt64, lastLSN: UInt64,
    chainHead: Checksum?, clock: ClockState, tasks: [Task], trustVersion: Int, certificateExpiresAt: Timestamp,
    readOnlyReason: String?
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
  }
}
