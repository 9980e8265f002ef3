public import Core
public import Postgres
public import StorageAPI

/// The registry of storage elements and of their health. All of its SQL is here.
public struct StorageElementTable: Sendable {
  let pool: PostgresPool

  public init(pool: PostgresPool) { self.pool = pool }

  /// What is known when an appliance has been claimed.
  public struct Registration: Sendable {
    public var id: FileID
    public var name: String
    public var url: String
    public var storageID: String
    public var mode: ApplianceMode
    public var version: String
    public var priority: Int
    public var spki: Checksum
    public var certificateExpiresAt: Timestamp

    public init(
      id: FileID, name: String, url: String, storageID: String, mode: ApplianceMode, version: String, priority: Int,
      spki: Checksum, certificateExpiresAt: Timestamp
    ) {
      self.id = id
      self.name = name
      self.url = url
      self.storageID = storageID
      self.mode = mode
      self.version = version
      self.priority = priority
      self.spki = spki
      self.certificateExpiresAt = certificateExpiresAt
    }
  }

  /// What a poll of `/info` found.
  public struct Observation: Sendable {
    public var status: StorageElementStatus
    public var mode: ApplianceMode
    public var version: String
    public var capacityBytes: Int
    public var usedBytes: Int
    public var availableBytes: Int
    public var epoch: Int64
    public var lastLSN: Int64
    public var chainHead: String?
    public var clockOffsetMilliseconds: Int64?
    public var roundTripMilliseconds: Int

    public init(
      status: StorageElementStatus, mode: ApplianceMode, version: String, capacityBytes: Int, usedBytes: Int,
      availableBytes: Int, epoch: Int64, lastLSN: Int64, chainHead: String?, clockOffsetMilliseconds: Int64?,
      roundTripMilliseconds: Int
    ) {
      self.status = status
      self.mode = mode
      self.version = version
      self.capacityBytes = capacityBytes
      self.usedBytes = usedBytes
      self.availableBytes = availableBytes
      self.epoch = epoch
      self.lastLSN = lastLSN
      self.chainHead = chainHead
      self.clockOffsetMilliseconds = clockOffsetMilliseconds
      self.roundTripMilliseconds = roundTripMilliseconds
    }
  }

  /// Adds it, or renews the row of the same `storage_id` when it is claimed again. Unique violations (`name`, `url`)
  /// are thrown as they come.
  public func register(_ new: Registration) async throws(PostgresError) -> StorageElement {
    let rows = try await pool.query(
      """
      INSERT INTO storage_elements (id, name, url, storage_id, mode, status, version, priority, spki,
        certificate_expires_at, last_contact_at)
      VALUES (\(new.id), \(new.name), \(new.url), \(new.storageID), \(new.mode.rawValue), 'online', \(new.version),
        \(new.priority), \(new.spki), \(new.certificateExpiresAt), now())
      ON CONFLICT (storage_id) DO UPDATE SET name = excluded.name, url = excluded.url, mode = excluded.mode,
        status = 'online', version = excluded.version, priority = excluded.priority, spki = excluded.spki,
        certificate_expires_at = excluded.certificate_expires_at, bundle_version = 0, full_sync_needed = true,
        last_contact_at = now(), last_error = NULL, updated_at = now()
      RETURNING \(StorageElement.columns)
      """)
    return try Self.one(rows)
  }

  public func element(_ id: FileID) async throws(PostgresError) -> StorageElement? {
    try await first("WHERE id = \(id)")
  }

  public func element(storageID: String) async throws(PostgresError) -> StorageElement? {
    try await first("WHERE storage_id = \(storageID)")
  }

  /// All that match, by priority, then name.
  public func list(
    mode: ApplianceMode? = nil, status: StorageElementStatus? = nil
  ) async throws(PostgresError) -> [StorageElement] {
    var conditions: [Query] = []
    if let mode { conditions.append("mode = \(mode.rawValue)") }
    if let status { conditions.append("status = \(status.rawValue)") }
    let filter: Query = conditions.isEmpty ? "" : "WHERE " + Query.joined(conditions, by: " AND ", empty: "")
    let rows = try await pool.query(
      "SELECT \(StorageElement.columns) FROM storage_elements \(filter) ORDER BY priority, name LIMIT 10000")
    var elements: [StorageElement] = []
    for row in rows { elements.append(try StorageElement(row: row)) }
    return elements
  }

  /// Changes what an administrator may change; nil leaves it.
  public func update(
    _ id: FileID, name: String? = nil, url: String? = nil, priority: Int? = nil
  ) async throws(PostgresError) -> StorageElement? {
    let rows = try await pool.query(
      """
      UPDATE storage_elements SET name = coalesce(\(name), name), url = coalesce(\(url), url),
        priority = coalesce(\(priority), priority), updated_at = now()
      WHERE id = \(id) RETURNING \(StorageElement.columns)
      """)
    return rows.isEmpty ? nil : try Self.one(rows)
  }

  public func setMode(_ id: FileID, _ mode: ApplianceMode) async throws(PostgresError) {
    try await pool.query(
      "UPDATE storage_elements SET mode = \(mode.rawValue), updated_at = now() WHERE id = \(id)")
  }

  public func setCertificateExpiry(_ id: FileID, _ time: Timestamp, spki: Checksum) async throws(PostgresError) {
    try await pool.query(
      """
      UPDATE storage_elements SET certificate_expires_at = \(time), spki = \(spki), updated_at = now()
      WHERE id = \(id)
      """)
  }

  public func setBundleVersion(_ id: FileID, _ version: Int64) async throws(PostgresError) {
    try await pool.query(
      "UPDATE storage_elements SET bundle_version = greatest(bundle_version, \(version)) WHERE id = \(id)")
  }

  /// Deletes the row and its files' rows in one transaction. False: it was gone already.
  public func remove(_ id: FileID) async throws -> Bool {
    // A sync takes its locks in another order: PostgreSQL ends the deadlock, what it undid is done again.
    for _ in 1..<Self.removalTries {
      do { return try await removeOnce(id) } catch let error as PostgresError where error.isRetryable { continue }
    }
    return try await removeOnce(id)
  }

  private static let removalTries = 5

  private func removeOnce(_ id: FileID) async throws -> Bool {
    let files = FileCatalogue(pool: pool)
    return try await pool.transaction { connection in
      // A sync or an upload may be adding rows of it: they end first, and none begins until the row is gone.
      try await connection.query("SELECT 1 FROM storage_elements WHERE id = \(id) FOR UPDATE")
      _ = try await files.forget(owner: id, on: connection)
      return try await connection.query("DELETE FROM storage_elements WHERE id = \(id)").affected > 0
    }
  }

  // MARK: health

  /// Records a successful poll, and the answer in the health history.
  public func observed(_ id: FileID, _ seen: Observation) async throws(PostgresError) {
    try await pool.query(
      """
      WITH history AS (
        INSERT INTO storage_element_health (storage_element_id, checked_at, status, used_bytes, available_bytes,
          round_trip_ms, clock_offset_ms)
        VALUES (\(id), now(), \(seen.status.rawValue), \(seen.usedBytes), \(seen.availableBytes),
          \(seen.roundTripMilliseconds), \(seen.clockOffsetMilliseconds)))
      UPDATE storage_elements SET status = \(seen.status.rawValue), mode = \(seen.mode.rawValue),
        version = \(seen.version), capacity_bytes = \(seen.capacityBytes), used_bytes = \(seen.usedBytes),
        available_bytes = \(seen.availableBytes), epoch = \(seen.epoch), last_lsn = \(seen.lastLSN),
        chain_head = \(seen.chainHead), clock_offset_ms = \(seen.clockOffsetMilliseconds), last_contact_at = now(),
        last_error = NULL,
        full_sync_needed = full_sync_needed OR (epoch <> 0 AND epoch <> \(seen.epoch)),
        loss_hold = loss_hold OR (epoch <> 0 AND epoch <> \(seen.epoch))
      WHERE id = \(id)
      """)
  }

  /// Records that it could not be reached, and why.
  public func unreachable(_ id: FileID, _ reason: String) async throws(PostgresError) {
    try await pool.query(
      """
      WITH history AS (
        INSERT INTO storage_element_health (storage_element_id, checked_at, status, used_bytes, available_bytes,
          round_trip_ms, error)
        SELECT id, now(), 'offline', used_bytes, available_bytes, 0, \(reason) FROM storage_elements WHERE id = \(id))
      UPDATE storage_elements SET status = 'offline', last_error = \(reason) WHERE id = \(id)
      """)
  }

  private func first(_ condition: Query) async throws(PostgresError) -> StorageElement? {
    let rows = try await pool.query("SELECT \(StorageElement.columns) FROM storage_elements \(condition)")
    return rows.isEmpty ? nil : try Self.one(rows)
  }

  private static func one(_ rows: Rows) throws(PostgresError) -> StorageElement {
    guard let row = rows.first else { throw PostgresError(.decoding, "a storage element was expected") }
    return try StorageElement(row: row)
  }
}
