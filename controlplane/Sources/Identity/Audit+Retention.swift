internal import Core
internal import Crypto
internal import Postgres
internal import Telemetry

/// Records end with their retention, oldest first. What stays is still a whole chain: the last pruned record's code is
/// kept and sealed (`audit_anchor`), so that taking away more than age allows is seen like any other cut.
extension Audit {
  /// Records pruned in one transaction.
  private static let batch = 1000
  /// Batches in one run of the job.
  private static let batchesMax = 50

  /// Takes away the records older than `retention`, up to the first younger one, never the newest of all. Records that
  /// do not fit the chain are kept, for whoever looks into it. Returns how many went.
  func prune(olderThan retention: Duration) async throws -> Int {
    let cutoff = time.now() - retention
    var pruned = 0
    for _ in 0..<Self.batchesMax {
      let count = try await pool.transaction { connection in try await self.pruneBatch(until: cutoff, on: connection) }
      pruned += count
      if count < Self.batch { break }
    }
    return pruned
  }

  private func pruneBatch(until cutoff: Timestamp, on connection: PostgresConnection) async throws -> Int {
    // One replica at a time, and nobody appends meanwhile.
    try await connection.query("SELECT pg_advisory_xact_lock(\(Self.lockKey))")
    guard let anchor = try await anchor(on: connection) else { return 0 }
    let oldest = try await connection.query(
      """
      SELECT \(Self.columns) FROM audit_log
      WHERE sequence > \(anchor.sequence) AND sequence < (SELECT sequence FROM audit_head)
      ORDER BY sequence LIMIT \(Self.batch)
      """
    ).map { try AuditRecord($0) }
    var place = anchor
    for record in oldest.prefix(while: { $0.at < cutoff }) {
      if let problem = check(record, after: place) {
        logger.error("audit records are not pruned", ["problem": .string(problem)])
        break
      }
      place = AuditPlace(sequence: record.sequence, code: record.code)
    }
    guard place != anchor else { return 0 }
    let seal = chain.anchorSeal(sequence: place.sequence, code: place.code)
    try await connection.query("DELETE FROM audit_log WHERE sequence <= \(place.sequence)")
    try await connection.query(
      """
      INSERT INTO audit_anchor (sequence, code, seal, pruned_at)
      VALUES (\(place.sequence), \(place.code), \(seal), \(time.now()))
      ON CONFLICT (only_row) DO UPDATE SET sequence = excluded.sequence, code = excluded.code, seal = excluded.seal,
        pruned_at = excluded.pruned_at
      """)
    let count = Int(place.sequence - anchor.sequence)
    let details: [String: JSONValue] = ["records": .integer(Int64(count)), "through": .integer(place.sequence)]
    try await record(Actor.system.did("audit.prune", details: details), on: connection)
    return count
  }
}
