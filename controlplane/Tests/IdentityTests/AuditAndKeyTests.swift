import Core
import Crypto
import HTTP
import JWT
import Postgres
import Testing

@testable import Identity

@Suite struct AuditTests {
  static func harness(records: Int) async throws -> IdentityHarness {
    let harness = try await IdentityHarness(withAdministrator: false)
    for index in 1...records {
      try await harness.identity.audit.record(
        AuditEntry(
          actor: "анна", action: "test.act", target: "\(index)", source: "127.0.0.1",
          details: ["n": .integer(Int64(index)), "x": .number(1.5), "t": .string("q\"\\\u{1F600}")]))
    }
    return harness
  }

  @Test func anUntouchedChainIsWhole() async throws {
    let harness = try await Self.harness(records: 5)
    let verdict = try await harness.identity.audit.verify()
    #expect(verdict == AuditVerdict(records: 5, problem: nil, problemAt: nil))
    #expect(try await IdentityHarness(withAdministrator: false).identity.audit.verify().isWhole, "an empty one as well")
  }

  @Test(arguments: [
    ("UPDATE audit_log SET actor = 'eve' WHERE sequence = 3", 3),
    ("UPDATE audit_log SET details = details || '{\"n\": 9}' WHERE sequence = 2", 2),
    ("UPDATE audit_log SET at = at + interval '1 second' WHERE sequence = 4", 4),
    ("UPDATE audit_log SET result = 'failed' WHERE sequence = 1", 1),
    ("DELETE FROM audit_log WHERE sequence = 3", 3),
    ("DELETE FROM audit_log WHERE sequence = 5", 5),
    ("DELETE FROM audit_log WHERE sequence = 1", 1),
    ("UPDATE audit_log SET code = sha256('x') WHERE sequence = 5", 5),
    ("UPDATE audit_head SET sequence = 4, code = (SELECT code FROM audit_log WHERE sequence = 4)", 4),
    ("DELETE FROM audit_head", 1),
    (
      """
      UPDATE audit_log SET sequence = 100 WHERE sequence = 2; UPDATE audit_log SET sequence = 2 WHERE sequence = 3;
      UPDATE audit_log SET sequence = 3 WHERE sequence = 100
      """, 2
    ),
  ])
  func tamperingIsFound(sql: String, at sequence: Int64) async throws {
    let harness = try await Self.harness(records: 5)
    try await harness.pool.withConnection { connection in _ = try await connection.script(sql) }
    let verdict = try await harness.identity.audit.verify()
    #expect(verdict.problemAt == sequence, "\(verdict.problem ?? "nothing found")")
  }

  @Test func anEmptiedLogIsFound() async throws {
    let harness = try await IdentityHarness()
    try await harness.pool.withConnection { connection in
      _ = try await connection.script("TRUNCATE audit_log, audit_head")
    }
    #expect(try await harness.identity.audit.verify().problemAt == 1)
  }

  /// A record where the chain has none: beyond its head, or before its first.
  @Test(arguments: [6, 0, -7] as [Int64]) func anInsertedRecordIsFound(sequence: Int64) async throws {
    let harness = try await Self.harness(records: 5)
    try await harness.pool.query(
      """
      INSERT INTO audit_log (sequence, at, actor, action, target, source, result, trace, details, code)
      SELECT \(sequence), at, 'eve', action, target, source, result, trace, details, code FROM audit_log
      WHERE sequence = 5
      """)
    let verdict = try await harness.identity.audit.verify()
    #expect(verdict.problemAt == sequence, "\(verdict.problem ?? "nothing found")")
  }

  @Test func parallelRecordsMakeOneChain() async throws {
    let harness = try await Self.harness(records: 1)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for index in 0..<40 {
        group.addTask {
          try await harness.identity.audit.record(AuditEntry(actor: "a", action: "b", target: "\(index)"))
        }
      }
      try await group.waitForAll()
    }
    #expect(try await harness.identity.audit.verify() == AuditVerdict(records: 41, problem: nil, problemAt: nil))
  }

  @Test func listsFilterAndPage() async throws {
    let harness = try await Self.harness(records: 7)
    _ = try await harness.identity.createFirstAdministrator(login: "admin", password: IdentityHarness.password)
    let token = try await harness.adminToken()
    let page = try await harness.send(.get, "/api/v1/audit?limit=3&action=test", token: token)
    #expect(page.json["total"] == .integer(7))
    #expect(page.json["has_more"] == .bool(true))
    let cursor = try #require(page["next_cursor"])
    let next = try await harness.send(.get, "/api/v1/audit?limit=3&action=test&cursor=\(cursor)", token: token)
    guard case .array(let items)? = next.json["items"], case .object(let first)? = items.first else {
      Issue.record("no items: \(next.text)")
      return
    }
    #expect(first["sequence"] == .integer(4))
    #expect(try await harness.send(.get, "/api/v1/audit?actions=test", token: token).status == 400)
    #expect(try await harness.send(.get, "/api/v1/audit?from=yesterday", token: token).status == 400)
    #expect(try await harness.send(.get, "/api/v1/audit?limit=0", token: token).status == 400)
    #expect(
      try await harness.send(.get, "/api/v1/audit?actor=%27%20OR%201=1--", token: token).json["total"] == .integer(0))
    #expect(try await harness.identity.audit.verify().isWhole)
  }

  @Test func secretsAreNotInTheAudit() async throws {
    let harness = try await IdentityHarness()
    let account = try await harness.account()
    _ = try await harness.token(of: account)
    let text = try await harness.identity.audit.export(AuditFilter(), after: 0, limit: 1000)
      .map { record in String(decoding: JSONWriter.document { record.write(to: &$0) }, as: UTF8.self) }.joined()
    #expect(text.contains("service_account.create"))
    #expect(!text.contains(try #require(account["client_secret"])))
    #expect(!text.contains(IdentityHarness.password))
  }
}

@Suite struct SigningKeyTests {
  @Test func keysRotateWithOverlap() async throws {
    let harness = try await IdentityHarness()
    let keys = harness.identity.keys
    let first = try #require(keys.status().first)
    #expect(try await harness.identity.maintain().hasPrefix("nothing due"))
    harness.time.advance(.seconds(23 * 3600 + 1))
    #expect(try await harness.identity.maintain().hasPrefix("published"))
    #expect(keys.status().map(\.state) == [.active, .next])
    #expect(keys.jwks.keys.count == 2, "published before it signs")
    #expect(try keys.signer().keyID == first.keyID)
    #expect(try await harness.identity.maintain().hasPrefix("nothing due"), "one at a time")
    harness.time.advance(.seconds(3600))
    #expect(try keys.signer().keyID != first.keyID)
  }

  @Test func tokensOfTheOldKeyStayGoodUntilTheyExpire() async throws {
    let harness = try await IdentityHarness()
    harness.time.advance(.seconds(23 * 3600))
    _ = try await harness.identity.maintain()
    harness.time.advance(.seconds(3600 - 60))
    let token = try await harness.adminToken()
    harness.time.advance(.seconds(20 * 60))
    _ = try await harness.identity.maintain()
    #expect(harness.identity.keys.status().map(\.state) == [.retiring, .active])
    #expect(try await harness.send(.get, "/api/v1/auth/me", token: token).status == 200)
    harness.time.advance(.seconds(2 * 3600))
    _ = try await harness.identity.maintain()
    #expect(harness.identity.keys.status().map(\.state) == [.active], "the old key leaves")
  }

  @Test func aStolenKeyIsReplacedAtOnce() async throws {
    let harness = try await IdentityHarness()
    let token = try await harness.adminToken()
    #expect(
      try await harness.send(.post, "/api/v1/keys/rotate", token: token, body: #"{"immediately":true}"#).status == 200)
    #expect(try await harness.send(.get, "/api/v1/auth/me", token: token).status == 401)
    #expect(try await harness.send(.get, "/api/v1/auth/me", token: try await harness.adminToken()).status == 200)
  }

  @Test func replicasThatStartTogetherShareOneKey() async throws {
    let harness = try await IdentityHarness(withAdministrator: false)
    try await harness.pool.query("DELETE FROM identity_signing_keys")
    let sets = try await withThrowingTaskGroup(of: [String].self) { group in
      for _ in 0..<3 {
        group.addTask {
          let replica = try await IdentityHarness(url: harness.url, time: harness.time, withAdministrator: false)
          return replica.identity.keys.status().map(\.keyID)
        }
      }
      return try await group.reduce(into: Set<[String]>()) { $0.insert($1) }
    }
    #expect(sets.count == 1)
  }

  @Test func privateKeysLieSealedAndAnotherMasterKeyIsRefused() async throws {
    let harness = try await IdentityHarness(withAdministrator: false)
    let sealed = try await harness.pool.query("SELECT private_sealed FROM identity_signing_keys").scalar([UInt8].self)
    #expect(!String(decoding: sealed, as: UTF8.self).contains("PRIVATE KEY"))
    await #expect(throws: MasterKeyError.self) {
      _ = try await IdentityHarness(
        url: harness.url, time: harness.time, withAdministrator: false, masterKey: String(repeating: "cd", count: 32))
    }
  }

  @Test(arguments: ["", "short", String(repeating: "ab", count: 31), "not base64 !!"])
  func badMasterKeysAreRefused(text: String) {
    #expect(throws: MasterKeyError.self) { try MasterKey(text: text) }
  }

  @Test func sealedValuesCannotChangePlaces() throws {
    let key = try MasterKey(text: IdentityHarness.masterKeyText)
    let sealed = try key.seal([1, 2, 3], purpose: "a", random: SystemRandom())
    #expect(try key.open(sealed, purpose: "a") == [1, 2, 3])
    #expect(throws: (any Error).self) { try key.open(sealed, purpose: "b") }
  }

  @Test func settingsAreCheckedAndTakeEffect() async throws {
    let harness = try await IdentityHarness()
    let token = try await harness.adminToken()
    let path = "/api/v1/settings"
    for bad in [#"{"access_token_minutes":500}"#, #"{"access_token_minute":10}"#, #"{"secret_days":"9"}"#, "[]"] {
      #expect(try await harness.send(.put, path, token: token, body: bad).status == 400, "\(bad)")
    }
    let answer = try await harness.send(.put, path, token: token, body: #"{"access_token_minutes":10}"#)
    #expect(answer.json["access_token_minutes"] == .integer(10))
    #expect(try await harness.login().json["expires_in"] == .integer(600))
  }
}
