public import Core
public import Postgres

/// One poll of an appliance.
public struct HealthSample: Sendable {
  public let checkedAt: Timestamp
  public let status: StorageElementStatus
  public let usedBytes: Int
  public let availableBytes: Int
  public let roundTripMilliseconds: Int
  /// Nil where it did not answer.
  public let clockOffsetMilliseconds: Int64?
  public let error: String?
}

extension StorageElementTable {
  /// Those that no replica has taken on to poll within `pause`; now the caller has. Two that ask at once share them.
  public func claimPolls(pause: Duration) async throws(PostgresError) -> [StorageElement] {
    let rows = try await pool.query(
      """
      UPDATE storage_elements SET poll_claimed_at = now()
      WHERE poll_claimed_at IS NULL
        OR poll_claimed_at <= now() - \(Int(pause.microseconds)) * interval '1 microsecond'
      RETURNING \(StorageElement.columns)
      """)
    var elements: [StorageElement] = []
    for row in rows { elements.append(try StorageElement(row: row)) }
    return elements
  }

  /// The newest samples first, at most `limit`.
  public func health(_ id: FileID, limit: Int) async throws(PostgresError) -> [HealthSample] {
    let rows = try await pool.query(
      """
      SELECT checked_at, status, used_bytes, available_bytes, round_trip_ms, clock_offset_ms, error
      FROM storage_element_health WHERE storage_element_id = \(id)
      ORDER BY checked_at DESC LIMIT \(min(max(limit, 1), 1000))
      """)
    var samples: [HealthSample] = []
    for row in rows {
      samples.append(
        HealthSample(
          checkedAt: try row.decode(0), status: StorageElementStatus(rawValue: try row.decode(1)) ?? .offline,
          usedBytes: try row.decode(2), availableBytes: try row.decode(3), roundTripMilliseconds: try row.decode(4),
          clockOffsetMilliseconds: try row.decode(5), error: try row.decode(6)))
    }
    return samples
  }

  /// What the polls of the last 30 days that were answered say about how it fills.
  public func capacityTrend(_ id: FileID) async throws(PostgresError) -> CapacityTrend {
    let rows = try await pool.query(
      """
      SELECT date_bin('2 hours', checked_at, 'epoch') AS at, avg(used_bytes)::bigint, avg(available_bytes)::bigint,
        avg(clock_offset_ms)::bigint
      FROM storage_element_health
      WHERE storage_element_id = \(id) AND error IS NULL AND checked_at > now() - interval '30 days'
      GROUP BY at ORDER BY at
      """)
    var points: [CapacityTrend.Point] = []
    for row in rows {
      points.append(
        CapacityTrend.Point(
          at: try row.decode(0), usedBytes: try row.decode(1), availableBytes: try row.decode(2),
          clockOffsetMilliseconds: try row.decode(3)))
    }
    return CapacityTrend(points)
  }

  /// The share of polls that were answered in the last two days; nil when there was none.
  public func answeredShare(_ id: FileID) async throws(PostgresError) -> Double? {
    let rows = try await pool.query(
      """
      SELECT avg(CASE WHEN error IS NULL THEN 1.0 ELSE 0.0 END)::double precision FROM storage_element_health
      WHERE storage_element_id = \(id) AND checked_at > now() - interval '2 days'
      """)
    return try rows.scalar(Double?.self)
  }

  /// History beyond two days: the first answered poll of each hour, and the first that was not; none beyond `days`. How
  /// many went.
  public func tidyHealth(days: Int) async throws(PostgresError) -> Int {
    let old = try await pool.query(
      "DELETE FROM storage_element_health WHERE checked_at < now() - make_interval(days => \(Int32(days)))"
    ).affected
    let dense = try await pool.query(
      """
      DELETE FROM storage_element_health h USING (
        SELECT storage_element_id, checked_at, row_number() OVER (
            PARTITION BY storage_element_id, date_bin('1 hour', checked_at, 'epoch'), error IS NULL
            ORDER BY checked_at) AS place
        FROM storage_element_health WHERE checked_at < now() - interval '2 days'
      ) AS d
      WHERE d.place > 1 AND h.storage_element_id = d.storage_element_id AND h.checked_at = d.checked_at
      """
    ).affected
    return old + dense
  }
}
