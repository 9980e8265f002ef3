public import Core
internal import Postgres
public import StorageAPI

/// How an appliance is doing.
public enum StorageElementStatus: String, Sendable, Hashable, Codable, CaseIterable {
  case online, offline, degraded, maintenance
}

/// A storage element as the registry knows it. `json` is the contract's object.
public struct StorageElement: Sendable {
  public var id: FileID
  public var name: String
  /// Base URL of its API listener, `https://host:port`.
  public var url: String
  public var storageID: String
  public var mode: ApplianceMode
  public var status: StorageElementStatus
  public var version: String
  /// Fill order: lower first.
  public var priority: Int
  public var capacityBytes: Int
  public var usedBytes: Int
  public var availableBytes: Int
  /// SHA-256 of its public key (SPKI), pinned at the claim.
  public var spki: Checksum
  public var epoch: Int64
  public var lastLSN: Int64
  public var chainHead: String?
  /// Where the change feed stands; nil: a full sync is needed.
  public var syncCursor: String?
  public var fullSyncNeeded: Bool
  /// After a regression or a sweep that would mark too much: sweeps only report until the loss is accepted.
  public var lossHold: Bool
  /// Files that the held sweeps found missing and did not mark.
  public var lossFound: Int
  /// So many of them an administrator has accepted: the next full sync may mark them.
  public var lossAccepted: Int
  public var clockOffsetMilliseconds: Int64?
  /// By more than an appliance takes unless set otherwise (`clock_tolerance_seconds`): it removes nothing then.
  public var isClockWrong: Bool { abs(clockOffsetMilliseconds ?? 0) > 300_000 }
  public var certificateExpiresAt: Timestamp?
  public var bundleVersion: Int64
  public var lastContactAt: Timestamp?
  public var lastError: String?
  public var lastSyncAt: Timestamp?
  public var syncFailedAt: Timestamp?
  public var lastFileSyncAt: Timestamp?
  /// When the catalogue's rows were last found equal to the appliance's digest, standing at its very position.
  public var provenEqualAt: Timestamp?
  /// When they were last compared, and how many of the 256 buckets differed then.
  public var digestCheckedAt: Timestamp?
  public var digestBucketsDifferent: Int
  /// Why the last sync did not end well, or not wholly; nil when it did.
  public var syncFault: String?
  /// The same in words.
  public var syncError: String?
  /// How fast syncs may read from it; nil: as fast as it gives.
  public var syncBytesPerSecond: Int?
  /// An accepted loss takes positions back: the next full sync overwrites what lies beyond the appliance's history.
  public var positionsDisowned: Bool
  public var createdAt: Timestamp
  public var updatedAt: Timestamp

  static let columns: Query = """
    id, name, url, storage_id, mode, status, version, priority, capacity_bytes, used_bytes, available_bytes, spki,
    epoch, last_lsn, chain_head, sync_cursor, full_sync_needed, loss_hold, loss_found, loss_accepted, clock_offset_ms,
    certificate_expires_at, bundle_version, last_contact_at, last_error, last_sync_at, sync_failed_at,
    last_file_sync_at, proven_equal_at, digest_checked_at, digest_buckets_different, sync_fault,
    sync_error, sync_bytes_per_second, positions_disowned, created_at, updated_at
    """

  /// One that is not registered yet, to talk to it.
  public init(candidate id: FileID, name: String, url: String, storageID: String, spki: Checksum) {
    (self.id, self.name, self.url, self.storageID, self.spki) = (id, name, url, storageID, spki)
    (mode, status, version, priority) = (.ro, .offline, "", 100)
    (capacityBytes, usedBytes, availableBytes, epoch, lastLSN, bundleVersion) = (0, 0, 0, 0, 0, 0)
    (fullSyncNeeded, lossHold, lossFound, lossAccepted) = (true, false, 0, 0)
    (digestBucketsDifferent, positionsDisowned) = (0, false)
    (createdAt, updatedAt) = (Timestamp(seconds: 0), Timestamp(seconds: 0))
  }

  init(row: Row) throws(PostgresError) {
    guard let mode = ApplianceMode(rawValue: try row.decode("mode")),
      let status = StorageElementStatus(rawValue: try row.decode("status"))
    else { throw PostgresError(.decoding, "a storage element with an unknown mode or status") }
    self.mode = mode
    self.status = status
    id = try row.decode("id")
    name = try row.decode("name")
    url = try row.decode("url")
    storageID = try row.decode("storage_id")
    version = try row.decode("version")
    priority = try row.decode("priority")
    capacityBytes = try row.decode("capacity_bytes")
    usedBytes = try row.decode("used_bytes")
    availableBytes = try row.decode("available_bytes")
    spki = try row.decode("spki")
    epoch = try row.decode("epoch")
    lastLSN = try row.decode("last_lsn")
    chainHead = try row.decode("chain_head")
    syncCursor = try row.decode("sync_cursor")
    fullSyncNeeded = try row.decode("full_sync_needed")
    lossHold = try row.decode("loss_hold")
    lossFound = try row.decode("loss_found")
    lossAccepted = try row.decode("loss_accepted")
    clockOffsetMilliseconds = try row.decode("clock_offset_ms")
    certificateExpiresAt = try row.decode("certificate_expires_at")
    bundleVersion = try row.decode("bundle_version")
    lastContactAt = try row.decode("last_contact_at")
    lastError = try row.decode("last_error")
    lastSyncAt = try row.decode("last_sync_at")
    syncFailedAt = try row.decode("sync_failed_at")
    lastFileSyncAt = try row.decode("last_file_sync_at")
    provenEqualAt = try row.decode("proven_equal_at")
    digestCheckedAt = try row.decode("digest_checked_at")
    digestBucketsDifferent = try row.decode("digest_buckets_different")
    syncFault = try row.decode("sync_fault")
    syncError = try row.decode("sync_error")
    syncBytesPerSecond = try row.decode("sync_bytes_per_second")
    positionsDisowned = try row.decode("positions_disowned")
    createdAt = try row.decode("created_at")
    updatedAt = try row.decode("updated_at")
  }
}

extension JSONWriter {
  /// The contract's storage element.
  public mutating func value(_ element: StorageElement) { object { json in json.members(of: element) } }

  /// Its members, for an object that says more.
  public mutating func members(of element: StorageElement) {
    member("id", element.id.description)
    member("name", element.name)
    member("url", element.url)
    member("storage_id", element.storageID)
    member("mode", element.mode.rawValue)
    member("status", element.status.rawValue)
    member("version", element.version)
    member("capacity_bytes", element.capacityBytes)
    member("used_bytes", element.usedBytes)
    member("available_bytes", element.availableBytes)
    member("priority", element.priority)
    member("last_sync_at", element.lastSyncAt)
    member("last_file_sync_at", element.lastFileSyncAt)
    member("proven_equal_at", element.provenEqualAt)
    member("digest_checked_at", element.digestCheckedAt)
    member("digest_buckets_different", element.digestBucketsDifferent)
    key("sync_fault")
    if let fault = element.syncFault { string(fault) } else { null() }
    key("sync_error")
    if let error = element.syncError { string(error) } else { null() }
    key("sync_bytes_per_second")
    if let limit = element.syncBytesPerSecond { integer(limit) } else { null() }
    key("clock_offset_ms")
    if let offset = element.clockOffsetMilliseconds { integer(offset) } else { null() }
    member("certificate_expires_at", element.certificateExpiresAt)
    member("loss_hold", element.lossHold)
    member("loss_found", element.lossFound)
    key("last_error")
    if let error = element.lastError { string(error) } else { null() }
    member("created_at", element.createdAt)
    member("updated_at", element.updatedAt)
  }
}
