public import Core
internal import Crypto
internal import HTTP
internal import Postgres

/// What to show of the audit log; nil fields do not narrow.
public struct AuditFilter: Sendable, Hashable {
  public var actor: String?
  /// A whole action, or its beginning up to a dot: `service_account` finds `service_account.create`.
  public var action: String?
  public var target: String?
  public var result: AuditResult?
  public var from: Timestamp?
  public var until: Timestamp?

  public init() {}

  var condition: Query {
    var parts: [Query] = []
    if let actor { parts.append("actor = \(actor)") }
    if let action { parts.append("(action = \(action) OR starts_with(action, \(action + ".")))") }
    if let target { parts.append("target = \(target)") }
    if let result { parts.append("result = \(result.rawValue)") }
    if let from { parts.append("at >= \(from)") }
    if let until { parts.append("at < \(until)") }
    return Query.joined(parts, by: " AND ", empty: "true")
  }
}

/// What `Audit.verify` found.
public struct AuditVerdict: Sendable, Hashable {
  /// Records looked at.
  public let records: Int64
  /// The first thing wrong, in words, with its sequence; nil: the chain is whole.
  public let problem: String?
  public let problemAt: Int64?

  public var isWhole: Bool { problem == nil }
}

extension Audit {
  private static let columns: Query = "sequence, at, actor, action, target, source, result, trace, details, code"

  /// Newest first. `before` is the sequence of the last record of the previous page.
  public func list(
    _ filter: AuditFilter, limit: Int, offset: Int = 0, before: Int64? = nil
  ) async throws -> (items: [AuditRecord], total: Int) {
    var page: Query = "SELECT \(Self.columns) FROM audit_log WHERE \(filter.condition)"
    if let before { page += " AND sequence < \(before)" }
    page += " ORDER BY sequence DESC LIMIT \(limit) OFFSET \(before == nil ? offset : 0)"
    let items = try await pool.query(page).map { try AuditRecord($0) }
    let total = try await pool.query("SELECT count(*) FROM audit_log WHERE \(filter.condition)").scalar(Int.self)
    return (items, total)
  }

  /// Oldest first, `limit` records after sequence `after`: for exports.
  public func export(_ filter: AuditFilter, after: Int64, limit: Int) async throws -> [AuditRecord] {
    try await pool.query(
      """
      SELECT \(Self.columns) FROM audit_log WHERE sequence > \(after) AND \(filter.condition)
      ORDER BY sequence LIMIT \(limit)
      """
    ).map { try AuditRecord($0) }
  }

  /// Computes the whole chain again, in pages of 1000 records. Records that are appended meanwhile are not looked at.
  public func verify() async throws -> AuditVerdict {
    guard let head = try await pool.query("SELECT sequence, code, seal FROM audit_head").first else {
      let count = try await pool.query("SELECT count(*) FROM audit_log").scalar(Int64.self)
      return count == 0
        ? AuditVerdict(records: 0, problem: nil, problemAt: nil)
        : AuditVerdict(records: 0, problem: "the head of the chain is gone, but \(count) records exist", problemAt: 1)
    }
    let last = try head.decode("sequence", as: Int64.self)
    let lastCode = try head.decode("code", as: [UInt8].self)
    guard ConstantTime.equal(try head.decode("seal"), chain.seal(sequence: last, code: lastCode)) else {
      return AuditVerdict(records: 0, problem: "the head of the chain (record \(last)) was changed", problemAt: last)
    }
    var previous = AuditChain.origin
    var expected: Int64 = 1
    while expected <= last {
      let page = try await export(AuditFilter(), after: expected - 1, limit: 1000)
      for record in page where record.sequence <= last {
        if let problem = check(record, expected: expected, previous: previous) {
          return AuditVerdict(records: expected - 1, problem: problem, problemAt: expected)
        }
        previous = record.code
        expected += 1
      }
      if page.isEmpty { break }
    }
    guard expected == last + 1, previous == lastCode else {
      let problem = "the log ends at record \(expected - 1), its head says \(last): records were cut off or replaced"
      return AuditVerdict(records: expected - 1, problem: problem, problemAt: expected)
    }
    return AuditVerdict(records: last, problem: nil, problemAt: nil)
  }

  private func check(_ record: AuditRecord, expected: Int64, previous: [UInt8]) -> String? {
    guard record.sequence == expected else { return "record \(expected) is missing (next is \(record.sequence))" }
    let code = chain.code(after: previous, sequence: record.sequence, at: record.at, entry: record.entry)
    return ConstantTime.equal(code, record.code)
      ? nil : "record \(expected) does not fit the chain: it, or what stood before it, was changed"
  }
}

extension AuditRecord {
  init(_ row: Row) throws {
    let result = try row.decode("result", as: String.self)
    let details = try row.decode("details", as: JSONValue.self)
    guard case .object(let members) = details, let result = AuditResult(rawValue: result) else {
      throw PostgresError(.decoding, "a row of audit_log has no object as details, or an unknown result")
    }
    self.init(
      sequence: try row.decode("sequence"), at: try row.decode("at"),
      entry: AuditEntry(
        actor: try row.decode("actor"), action: try row.decode("action"), target: try row.decode("target"),
        source: try row.decode("source"), result: result, trace: try row.decode("trace"), details: members),
      code: try row.decode("code"))
  }
}
