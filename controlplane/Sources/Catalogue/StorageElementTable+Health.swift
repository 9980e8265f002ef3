public import Core
public import Postgres

/// One poll of an appliance.
public struct HealthSample: Sendable {
  public let checkedAt: Timestamp
  public let status: StorageElementStatus
  public let usedBytes: Int
  public let availableBytes: Int
  public let roundTripMilliseconds: Int
  public let error: String?
}

extension StorageElementTable {
  /// The newest samples first, at most `limit`.
  public func health(_ id: FileID, limit: Int) async throws(PostgresError) -> [HealthSample] {
    let rows = try await pool.query(
      """
      SELECT checked_at, status, used_bytes, available_bytes, round_trip_ms, error FROM storage_element_health
      WHERE storage_element_id = \(id) ORDER BY checked_at DESC LIMIT \(min(max(limit, 1), 1000))
      """)
    var samples: [HealthSample] = []
    for row in rows {
      samples.append(
        HealthSample(
          checkedAt: try row.decode(0), status: StorageElementStatus(rawValue: try row.decode(1)) ?? .offline,
          usedBytes: try row.decode(2), availableBytes: try row.decode(3), roundTripMilliseconds: try row.decode(4),
          error: try row.decode(5)))
    }
    return samples
  }

  /// Days until it is full at the rate of the last 30 days; nil while it does not grow or less than a
  /// day is known.
  public func daysToFull(_ id: FileID) async throws(PostgresError) -> Double? {
    let row = try await pool.query(
      """
      SELECT 86400 * regr_slope(
          used_bytes::double precision, extract(epoch FROM checked_at)::double precision) AS daily,
        (array_agg(available_bytes ORDER BY checked_at DESC))[1] AS available,
        max(checked_at) - min(checked_at) >= interval '1 day' AS is_enough
      FROM storage_element_health
      WHERE storage_element_id = \(id) AND error IS NULL AND checked_at > now() - interval '30 days'
      """
    ).first
    guard let row, try row.decode("is_enough", as: Bool?.self) == true,
      let daily: Double = try row.decode("daily"), daily > 1,
      let available: Int = try row.decode("available")
    else { return nil }
    return Double(available) / daily
  }
}
