internal import Catalogue
internal import Core
internal import HTTP
internal import Identity
internal import Postgres
internal import StorageAPI
internal import Telemetry

/// What comparing the digests showed.
public enum DigestComparison: String, Sendable {
  /// The catalogue stood at the appliance's position and holds the same records.
  case equal
  /// It does not hold the same records, even after a repair.
  case different
}

/// `GET /files/digest`.
struct ApplianceDigest: Sendable {
  let position: Position
  let buckets: [UInt128]

  struct Body: Decodable {
    let cursor: String
    let buckets: [String]
  }

  init?(_ body: Body) {
    guard let position = Position(cursor: body.cursor), body.buckets.count == RecordDigest.bucketCount else {
      return nil
    }
    self.position = position
    var sums: [UInt128] = []
    for text in body.buckets {
      guard text.utf8.count == 32, let sum = UInt128(text, radix: 16) else { return nil }
      sums.append(sum)
    }
    buckets = sums
  }
}

extension FleetSync {
  /// Compares the catalogue with the appliance's digest, if the catalogue can be brought to exactly its position. What
  /// differs is narrowed to buckets, whose ids are listed again, and compared once more.
  func prove(
    _ client: ApplianceClient, _ pace: SyncPace, report: inout SyncReport, on connection: PostgresConnection
  ) async throws {
    let id = client.element.id
    guard let first = try await compare(client, pace, report: &report, on: connection) else { return }
    report.digest = first.different.isEmpty ? .equal : .different
    guard !first.different.isEmpty, !report.isHeld else { return }
    try await audit.record(
      AuditEntry(
        actor: Actor.system.subject, action: "storage_element.digest_repair", target: id.description, result: .failed,
        details: [
          "buckets": .integer(Int64(first.different.count)),
          "first_bucket": .string(String(first.different[0], radix: 16)),
        ]))
    logger.warning(
      "fleet.digest.different",
      ["storage_element": .string(client.element.name), "buckets": .integer(first.different.count)])
    let full = FullSync(sync: self, client: client, pace: pace)
    let start = try await full.relist(first.different, from: first.position, report: &report, on: connection)
    try await follow(client, from: start.cursor, pace: pace, report: &report, on: connection)
    guard let second = try await compare(client, pace, report: &report, on: connection) else { return }
    report.digest = second.different.isEmpty ? .equal : .different
  }

  private static let attemptsMax = 3

  /// The buckets that differ; nil when the catalogue did not come to stand at the digest's position: documents come in
  /// faster than that, and the next sync tries again.
  private func compare(
    _ client: ApplianceClient, _ pace: SyncPace, report: inout SyncReport, on connection: PostgresConnection
  ) async throws -> (different: [Int], position: Position)? {
    let id = client.element.id
    for _ in 0..<Self.attemptsMax {
      let digest = try await client.digest()
      guard let cursor = try await elements.element(id)?.syncCursor, let standing = Position(cursor: cursor) else {
        return nil
      }
      guard standing.isSameHistory(as: digest.position), let place = RowPosition(digest.position) else { return nil }
      if standing.lsn == digest.position.lsn,
        let own = try await files.digest(owner: id, at: place, on: connection)
      {
        let different = own.indices.filter { own[$0] != digest.buckets[$0] }
        try await elements.digestCompared(id, different: different.count, on: connection)
        return (different, digest.position)
      }
      try await follow(client, from: cursor, pace: pace, report: &report, on: connection)
    }
    return nil
  }
}

extension FullSync {
  /// Lists the ids of some buckets again, from a position the catalogue stands at; as a full sync does,
  /// for those alone.
  func relist(
    _ buckets: [Int], from start: Position, report: inout SyncReport, on connection: PostgresConnection
  ) async throws -> Position {
    guard let end = RowPosition(start) else { throw SyncPageError.badClosing }
    let progress = FullSyncProgress(id: client.element.id, elements: sync.elements)
    try await connection.transaction { connection in
      try await progress.begin(start, disowning: end, on: connection)
      for (number, bucket) in buckets.enumerated() {
        let high = UInt64(bucket) << 56
        let after = bucket == 0 ? FileID.lowest : FileID(high: high - 1, low: .max)
        try await progress.add(
          SyncRange(number: number, after: after, through: FileID(high: high | 0x00FF_FFFF_FFFF_FFFF, low: .max)),
          on: connection)
      }
    }
    return try await run(report: &report, on: connection)
  }
}
