import Core
import HTTP
import HTTPServer
import Postgres
import Synchronization
import Testing

@testable import Identity

@Suite struct AuditRetentionTests {
  private static let years: Duration = .seconds(2557 * 86_400)

  private func harness(old: Int, young: Int) async throws -> IdentityHarness {
    let harness = try await IdentityHarness(withAdministrator: false)
    for index in 0..<old {
      try await harness.identity.audit.record(AuditEntry(actor: "a", action: "old", target: "\(index)"))
    }
    harness.time.advance(Self.years + .seconds(1))
    for index in 0..<young {
      try await harness.identity.audit.record(AuditEntry(actor: "a", action: "young", target: "\(index)"))
    }
    return harness
  }

  @Test func whatIsOlderThanSevenYearsGoesAndTheRestIsWhole() async throws {
    let harness = try await harness(old: 1203, young: 3)
    let audit = harness.identity.audit
    #expect(harness.identity.settings.auditRetentionDays == 2557)
    #expect(try await audit.prune(olderThan: Self.years) == 1203)
    let verdict = try await audit.verify()
    // Two batches, each of which left a record of itself.
    #expect(verdict == AuditVerdict(records: 5, problem: nil, problemAt: nil, prunedThrough: 1203))
    let left = try await audit.list(AuditFilter(), limit: 10).items.map(\.entry.action)
    #expect(left == ["audit.prune", "audit.prune", "young", "young", "young"])
    #expect(try await audit.prune(olderThan: Self.years) == 0)
    #expect(try await audit.verify().records == 5)
  }

  @Test func theNewestStaysAndTheMaintenanceDoesIt() async throws {
    let harness = try await harness(old: 4, young: 0)
    #expect(try await harness.identity.maintain().contains("3 audit records"))
    let verdict = try await harness.identity.audit.verify()
    #expect(verdict.isWhole && verdict.prunedThrough == 3)
  }

  @Test(arguments: [
    // More than age allows, with the seal of what was pruned left as it was.
    "DELETE FROM audit_log WHERE sequence <= 5", "DELETE FROM audit_anchor",
    "UPDATE audit_anchor SET sequence = 5, code = (SELECT code FROM audit_log WHERE sequence = 5)",
    // A seal of the head does not pass for one of the anchor.
    "UPDATE audit_anchor SET (sequence, code, seal) = (SELECT sequence, code, seal FROM audit_head)",
    "DELETE FROM audit_log; DELETE FROM audit_head",
    "UPDATE audit_log SET actor = 'eve' WHERE sequence = 5", "DELETE FROM audit_log WHERE sequence = 6",
    // Back among what was pruned.
    """
    INSERT INTO audit_log (sequence, at, actor, action, target, source, result, trace, details, code)
    SELECT 2, at, actor, action, target, source, result, trace, details, code FROM audit_log WHERE sequence = 5
    """,
  ])
  func cutsBesideTheRetentionAreFound(sql: String) async throws {
    let harness = try await harness(old: 3, young: 5)
    #expect(try await harness.identity.audit.prune(olderThan: Self.years) == 3)
    #expect(try await harness.identity.audit.verify().isWhole)
    try await harness.pool.withConnection { connection in _ = try await connection.script(sql) }
    #expect(try await harness.identity.audit.verify().isWhole == false)
  }

  /// Who changed an old record does not get it taken away.
  @Test func whatDoesNotFitIsNotPruned() async throws {
    let harness = try await harness(old: 5, young: 1)
    try await harness.pool.withConnection { connection in
      _ = try await connection.script("UPDATE audit_log SET actor = 'eve' WHERE sequence = 3")
    }
    #expect(try await harness.identity.audit.prune(olderThan: Self.years) == 2)
    #expect(try await harness.identity.audit.prune(olderThan: Self.years) == 0)
    #expect(try await harness.identity.audit.verify().problemAt == 3)
  }

  @Test func exportsAreCSVAndNDJSON() async throws {
    let harness = try await IdentityHarness()
    let admin = try await harness.adminToken()
    let name = "=HYPERLINK(\"http://evil\"), \"x\"\n"
    try await harness.identity.audit.record(AuditEntry(actor: name, action: "odd"))
    let csv = try await harness.stream("/api/v1/audit/export?format=csv&action=odd", token: admin)
    let lines = csv.split(separator: "\r\n", omittingEmptySubsequences: false)
    #expect(lines[0] == "sequence,at,actor,action,target,source,result,trace_id,details,code")
    #expect(lines[1].contains(#","'=HYPERLINK(""http://evil""), ""x""\#n","odd","#))
    #expect(lines.count == 3 && lines[2].isEmpty)
    let json = try await harness.stream("/api/v1/audit/export?format=ndjson&action=odd", token: admin)
    #expect(json.split(separator: "\n").count == 1)
    #expect(try await harness.send(.get, "/api/v1/audit/export?format=xls", token: admin).status == 400)
  }

  @Test(arguments: [
    ("=1+1", true), ("+1", true), ("-1", true), ("@SUM(A1)", true), ("  =1", true), ("\t=1", true), ("\r=1", true),
    ("\u{FF1D}1", true), ("|cmd", true), ("plain", false), ("a=b", false), ("", false), ("1-2", false),
  ])
  func formulasAreMadeText(text: String, isFormula: Bool) {
    #expect(AuditCSV.field(text).hasPrefix("\"'") == isFormula)
  }
}

/// Keeps what is streamed.
private final class CollectedText: BodyWriter {
  private let held = Mutex<[UInt8]>([])
  var text: String { String(decoding: held.withLock { $0 }, as: UTF8.self) }

  func write(_ bytes: [UInt8]) async throws { held.withLock { $0 += bytes } }
  func write(_ file: FileSlice) async throws { Issue.record("an export is no file") }
  func flush() async throws {}
}

extension IdentityHarness {
  /// A streamed answer, whole.
  fileprivate func stream(_ path: String, token: String) async throws -> String {
    let request = try Request.make(.get, path, headers: ["Authorization": "Bearer \(token)"], body: [])
    let response = await router.respond(to: request)
    guard case .stream(_, let produce) = response.body else {
      Issue.record("\(path) does not stream: \(response.status)")
      return ""
    }
    let writer = CollectedText()
    try await produce(writer)
    return writer.text
  }
}
