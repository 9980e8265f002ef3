public import Core
public import Postgres

extension FileCatalogue {
  /// The catalogue's own digest of an appliance's files, to be compared with the appliance's: 256 sums modulo 2^128.
  /// Nil when a row stands beyond `position`, for then the two are not about the same state.
  public func digest(
    owner: FileID, at position: RowPosition, on connection: PostgresConnection
  ) async throws(PostgresError) -> [UInt128]? {
    let rows = try await connection.query(
      """
      SELECT get_byte(uuid_send(file_id), 0) AS bucket,
        coalesce(sum(digest_high) FILTER (WHERE missing_since IS NULL), 0)::text AS high,
        coalesce(sum(digest_low) FILTER (WHERE missing_since IS NULL), 0)::text AS low,
        count(*) FILTER (WHERE missing_since IS NULL AND digest_low < 0) AS negative,
        bool_or((epoch, lsn) > (\(position.epoch), \(position.lsn))) AS is_beyond
      FROM files WHERE appliance_id = \(owner) GROUP BY 1
      """, timeout: .seconds(600))
    var buckets = [UInt128](repeating: 0, count: RecordDigest.bucketCount)
    for row in rows {
      if try row.decode("is_beyond", as: Bool.self) { return nil }
      guard let high = Int128(try row.decode("high", as: String.self)),
        let low = Int128(try row.decode("low", as: String.self))
      else { throw PostgresError(.decoding, "a sum of digests that is no number") }
      // The halves are kept signed: a negative low one is 2^64 short.
      let carry: Int = try row.decode("negative")
      buckets[try row.decode("bucket", as: Int.self)] =
        UInt128(truncatingIfNeeded: high) << 64 &+ UInt128(truncatingIfNeeded: low) &+ UInt128(carry) << 64
    }
    return buckets
  }
}

extension StorageElementTable {
  /// The digests were compared while the catalogue stood at the appliance's position; `different` buckets differed.
  public func digestCompared(
    _ id: FileID, different: Int, on connection: PostgresConnection
  ) async throws(PostgresError) {
    try await connection.query(
      """
      UPDATE storage_elements SET digest_checked_at = now(), digest_buckets_different = \(different),
        proven_equal_at = CASE WHEN \(different) = 0 THEN now() ELSE proven_equal_at END
      WHERE id = \(id)
      """)
  }
}
