internal import Core
internal import Crypto
internal import Postgres

/// What `Audit.verify` found.
public struct AuditVerdict: Sendable, Hashable {
  /// Records looked at.
  public let records: Int64
  /// The first thing wrong, in words, with its sequence; nil: the chain is whole.
  public let problem: String?
  public let problemAt: Int64?
  /// Records up to this one were pruned because of their age; 0: none.
  public let prunedThrough: Int64

  public init(records: Int64, problem: String?, problemAt: Int64?, prunedThrough: Int64 = 0) {
    self.records = records
    self.problem = problem
    self.problemAt = problemAt
    self.prunedThrough = prunedThrough
  }

  public var isWhole: Bool { problem == nil }
}

/// A place in the chain: a record's sequence, and its code.
struct AuditPlace: Sendable, Hashable {
  var sequence: Int64
  var code: [UInt8]

  /// Before record 1.
  static let origin = AuditPlace(sequence: 0, code: AuditChain.origin)
}

extension Audit {
  /// Computes the whole chain again, in pages of 1000 records, from where pruning left it. Records that are appended
  /// meanwhile are not looked at; when some are pruned meanwhile, it begins again.
  public func verify() async throws -> AuditVerdict {
    while true {
      let anchor = try await anchor()
      let verdict = try await verify(from: anchor)
      if verdict.isWhole { return verdict }
      if let anchor, let now = try await self.anchor(), now.sequence > anchor.sequence { continue }
      return verdict
    }
  }

  private func verify(from anchor: AuditPlace?) async throws -> AuditVerdict {
    guard let anchor else {
      return AuditVerdict(records: 0, problem: "the seal of what was pruned was changed", problemAt: 1)
    }
    func verdict(_ records: Int64, _ problem: String?, at place: Int64?) -> AuditVerdict {
      AuditVerdict(records: records, problem: problem, problemAt: place, prunedThrough: anchor.sequence)
    }
    // In one statement, hence of one moment.
    let bounds = try await pool.query(
      """
      SELECT h.sequence, h.code, h.seal,
        (SELECT min(sequence) FROM audit_log WHERE sequence > h.sequence) AS beyond
      FROM audit_head h
      """
    ).first
    guard let head = bounds else {
      let count = try await pool.query("SELECT count(*) FROM audit_log").scalar(Int64.self)
      guard count == 0, anchor == .origin else {
        return verdict(0, "the head of the chain is gone, but \(count) records exist", at: anchor.sequence + 1)
      }
      // The first administrator's making is recorded in the transaction that makes it.
      let isUsed = try await pool.query("SELECT EXISTS (SELECT FROM identity_administrators)").scalar(Bool.self)
      return isUsed
        ? verdict(0, "there is no record, not even of how the administrators came to be: the log was emptied", at: 1)
        : verdict(0, nil, at: nil)
    }
    let last = AuditPlace(sequence: try head.decode("sequence"), code: try head.decode("code"))
    guard ConstantTime.equal(try head.decode("seal"), chain.seal(sequence: last.sequence, code: last.code)) else {
      return verdict(0, "the head of the chain (record \(last.sequence)) was changed", at: last.sequence)
    }
    if let beyond: Int64 = try head.decode("beyond") {
      return verdict(0, "record \(beyond) stands beyond the head of the chain: it was inserted", at: beyond)
    }
    if let before = try await intruder(before: anchor) {
      return verdict(0, "record \(before) stands where records were pruned or never were: it was inserted", at: before)
    }
    var place = anchor
    while place.sequence < last.sequence {
      let page = try await export(AuditFilter(), after: place.sequence, limit: 1000)
      if page.isEmpty { break }
      for record in page where record.sequence <= last.sequence {
        if let problem = check(record, after: place) {
          return verdict(place.sequence - anchor.sequence, problem, at: place.sequence + 1)
        }
        place = AuditPlace(sequence: record.sequence, code: record.code)
      }
    }
    guard place == last else {
      let problem =
        "the log ends at record \(place.sequence), its head says \(last.sequence): records were cut off or replaced"
      return verdict(place.sequence - anchor.sequence, problem, at: place.sequence + 1)
    }
    return verdict(last.sequence - anchor.sequence, nil, at: nil)
  }

  /// A record where the chain has none: at or before what was pruned, which goes in the same transaction.
  private func intruder(before anchor: AuditPlace) async throws -> Int64? {
    try await pool.query("SELECT min(sequence) FROM audit_log WHERE sequence <= \(anchor.sequence)")
      .scalar(Int64?.self)
  }

  /// Why the record does not follow `place`; nil if it does.
  func check(_ record: AuditRecord, after place: AuditPlace) -> String? {
    let expected = place.sequence + 1
    guard record.sequence == expected else { return "record \(expected) is missing (next is \(record.sequence))" }
    let code = chain.code(after: place.code, sequence: record.sequence, at: record.at, entry: record.entry)
    return ConstantTime.equal(code, record.code)
      ? nil : "record \(expected) does not fit the chain: it, or what stood before it, was changed"
  }

  /// Where the chain begins; nil when the seal of that is wrong.
  func anchor(on connection: PostgresConnection? = nil) async throws -> AuditPlace? {
    let query: Query = "SELECT sequence, code, seal FROM audit_anchor"
    let rows = if let connection { try await connection.query(query) } else { try await pool.query(query) }
    guard let row = rows.first else { return .origin }
    let place = AuditPlace(sequence: try row.decode("sequence"), code: try row.decode("code"))
    let seal = chain.anchorSeal(sequence: place.sequence, code: place.code)
    return ConstantTime.equal(try row.decode("seal"), seal) ? place : nil
  }
}
