internal import Core
internal import Crypto
public import Postgres
internal import Telemetry

/// The hash-chained record of every security-relevant act, in `audit_log`.
public struct Audit: Sendable {
  let pool: PostgresPool
  let chain: AuditChain
  let time: any TimeSource
  let logger: Logger

  /// Advisory lock under which records are appended, one at a time: "artaudit" in ASCII.
  static let lockKey: Int64 = 0x6172_7461_7564_6974

  init(pool: PostgresPool, masterKey: MasterKey, time: any TimeSource, logger: Logger) {
    self.pool = pool
    chain = AuditChain(masterKey: masterKey)
    self.time = time
    self.logger = logger
  }

  /// Appends in a transaction of its own. Throws `PostgresError`: what cannot be recorded must not be done.
  public func record(_ entry: AuditEntry) async throws {
    try await pool.transaction { connection in try await self.record(entry, on: connection) }
  }

  /// Appends in the caller's transaction, as its last statement: act and record become durable together. Whoever else
  /// wants to append waits until that transaction ends.
  public func record(_ entry: AuditEntry, on connection: PostgresConnection) async throws {
    let entry = entry.bounded
    try await connection.query("SELECT pg_advisory_xact_lock(\(Self.lockKey))")
    let head = try await connection.query("SELECT sequence, code FROM audit_head").first
    let sequence = try head.map { try $0.decode(0, as: Int64.self) + 1 } ?? 1
    let previous = try head.map { try $0.decode(1, as: [UInt8].self) } ?? AuditChain.origin
    let at = time.now()
    let code = chain.code(after: previous, sequence: sequence, at: at, entry: entry)
    try await connection.query(
      """
      INSERT INTO audit_log (sequence, at, actor, action, target, source, result, trace, details, code)
      VALUES (\(sequence), \(at), \(entry.actor), \(entry.action), \(entry.target), \(entry.source),
        \(entry.result.rawValue), \(entry.trace), \(JSONValue.object(entry.details)), \(code))
      """)
    let seal = chain.seal(sequence: sequence, code: code)
    try await connection.query(
      """
      INSERT INTO audit_head (sequence, code, seal) VALUES (\(sequence), \(code), \(seal))
      ON CONFLICT (only_row) DO UPDATE SET sequence = excluded.sequence, code = excluded.code, seal = excluded.seal
      """)
    // The log goes elsewhere than the database: a witness of the chain's head.
    logger.info(
      "audit",
      [
        "sequence": .integer(Int(sequence)), "actor": .string(entry.actor), "action": .string(entry.action),
        "target": .string(entry.target), "result": .string(entry.result.rawValue),
        "code": .string(Hex.encode(code.prefix(8))),
      ])
  }
}

extension AuditEntry {
  /// Texts from outside are cut to what a row may hold; U+0000 has no place in PostgreSQL's text.
  var bounded: AuditEntry {
    var entry = self
    entry.actor = actor.cut(to: 200)
    entry.action = action.cut(to: 100)
    entry.target = target.cut(to: 400)
    entry.source = source.cut(to: 100)
    entry.trace = trace.cut(to: 64)
    return entry
  }
}

extension String {
  /// At most `count` characters, without U+0000.
  func cut(to count: Int) -> String { String(filter { $0 != "\0" }.prefix(count)) }
}
