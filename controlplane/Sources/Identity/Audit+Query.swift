public import Core
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

extension Audit {
  static let columns: Query = "sequence, at, actor, action, target, source, result, trace, details, code"

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
