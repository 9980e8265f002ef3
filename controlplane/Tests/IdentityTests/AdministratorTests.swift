import Core
import HTTP
import JWT
import Testing

@testable import Identity

@Suite struct AdministratorTests {
  @Test func loginGivesTokensThatWork() async throws {
    let harness = try await IdentityHarness()
    let answer = try await harness.login()
    #expect(answer.status == 200)
    let me = try await harness.send(.get, "/api/v1/auth/me", token: answer["access_token"])
    #expect(me["role"] == "admin")
    #expect(me["administrator.login"] == "admin")
    #expect(!answer.text.contains("argon2"))
    #expect(try await harness.login("ADMIN").status == 200, "logins have no case")
    #expect(try await harness.login("admin", "wrong password!").status == 401)
    #expect(try await harness.login("nobody", "wrong password!").status == 401)
  }

  @Test func fiveFailuresLockWhetherTheLoginExistsOrNot() async throws {
    let harness = try await IdentityHarness()
    for login in ["admin", "nobody"] {
      for attempt in 1...5 {
        #expect(try await harness.login(login, "wrong password \(attempt)").status == 401)
      }
      let locked = try await harness.login(login)
      #expect(locked.status == 423)
      #expect(locked["error.code"] == "ACCOUNT_LOCKED")
      #expect(locked.headers["Retry-After"] == "900")
    }
    harness.time.advance(.seconds(15 * 60 + 1))
    #expect(try await harness.login().status == 200)
  }

  @Test func aRightPasswordAmongWrongOnesStartsTheCountAgain() async throws {
    let harness = try await IdentityHarness()
    for _ in 0..<3 {
      for _ in 0..<4 { #expect(try await harness.login("admin", "wrong password!").status == 401) }
      #expect(try await harness.login().status == 200)
    }
  }

  @Test func parallelGuessesGetNoMoreTries() async throws {
    let harness = try await IdentityHarness()
    let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
      for index in 0..<12 {
        group.addTask { try await harness.login("admin", "guess number \(index)").status }
      }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    #expect(statuses.filter { $0 == 401 }.count == 5, "\(statuses)")
    #expect(statuses.filter { $0 == 423 }.count == 7, "\(statuses)")
  }

  @Test func anotherAdministratorUnlocksAndResets() async throws {
    let harness = try await IdentityHarness()
    let token = try await harness.adminToken()
    let made = try await harness.send(
      .post, "/api/v1/admin-users", token: token, body: #"{"login":"olga","role":"readonly"}"#)
    #expect(made.status == 201)
    let oneTime = try #require(made["one_time_password"])
    let id = try #require(made["id"])
    for _ in 1...5 { _ = try await harness.login("olga", "wrong password!") }
    #expect(try await harness.login("olga", oneTime).status == 423)
    #expect(try await harness.send(.post, "/api/v1/admin-users/\(id)/unlock", token: token).status == 200)
    let first = try await harness.login("olga", oneTime)
    #expect(first.json["must_change_password"] == .bool(true))
    let limited = try #require(first["access_token"])
    #expect(try await harness.send(.get, "/api/v1/audit", token: limited).status == 403)
    let change = #"{"old_password":"\#(oneTime)","new_password":"a quite new passphrase"}"#
    let path = "/api/v1/admin-users/me/change-password"
    #expect(try await harness.send(.post, path, token: limited, body: change).status == 204)
    #expect(try await harness.send(.get, "/api/v1/auth/me", token: limited).status == 401, "old tokens end")
    let second = try #require(try await harness.login("olga", "a quite new passphrase")["access_token"])
    #expect(try await harness.send(.get, "/api/v1/audit", token: second).status == 200)
    #expect(try await harness.send(.post, "/api/v1/keys/rotate", token: second).status == 403)
    let reset = try await harness.send(.post, "/api/v1/admin-users/\(id)/reset-password", token: token)
    #expect(try await harness.login("olga", "a quite new passphrase").status == 401)
    #expect(try await harness.login("olga", try #require(reset["one_time_password"])).status == 200)
  }

  @Test func refreshRotatesAndReuseEndsTheFamily() async throws {
    let harness = try await IdentityHarness()
    let first = try await harness.login()
    let second = try await harness.refresh(first)
    #expect(second.status == 200)
    #expect(second["refresh_token"] != first["refresh_token"])
    harness.time.advance(.seconds(2))
    #expect(try await harness.refresh(first).status == 401, "used already")
    #expect(try await harness.refresh(second).status == 401, "its family is dead")
    let access = try #require(second["access_token"])
    #expect(try await harness.send(.get, "/api/v1/auth/me", token: access).status == 401)
    #expect(try await harness.login().status == 200)
    let page = try await harness.identity.audit.list(AuditFilter(), limit: 50)
    #expect(page.items.contains { $0.entry.details["why"] == .string("reused") })
  }

  @Test func twoRefreshesAtOnceGiveOneSession() async throws {
    let harness = try await IdentityHarness()
    let login = try await harness.login()
    async let a = harness.refresh(login).status
    async let b = harness.refresh(login).status
    #expect(try await [a, b].sorted() == [200, 401])
  }

  @Test func refreshTokensEndAfterSevenDaysAndAtLogout() async throws {
    let harness = try await IdentityHarness()
    let old = try await harness.login()
    harness.time.advance(.seconds(7 * 86_400 + 1))
    #expect(try await harness.refresh(old).status == 401)
    let login = try await harness.login()
    let access = try #require(login["access_token"])
    let body = #"{"refresh_token":"\#(try #require(login["refresh_token"]))"}"#
    #expect(try await harness.send(.post, "/api/v1/auth/logout", token: access, body: body).status == 204)
    #expect(try await harness.refresh(login).status == 401)
    #expect(try await harness.send(.get, "/api/v1/auth/me", token: access).status == 401)
  }

  @Test func theLastAdministratorStays() async throws {
    let harness = try await IdentityHarness()
    let token = try await harness.adminToken()
    let admin = try await harness.identity.administrators.get(login: "admin")
    let path = "/api/v1/admin-users/\(admin.id)"
    #expect(try await harness.send(.put, path, token: token, body: #"{"role":"readonly"}"#).status == 409)
    #expect(try await harness.send(.put, path, token: token, body: #"{"status":"suspended"}"#).status == 409)
    #expect(try await harness.send(.delete, path, token: token).status == 409)
    let second = #"{"login":"second","role":"admin","password":"another passphrase"}"#
    #expect(try await harness.send(.post, "/api/v1/admin-users", token: token, body: second).status == 201)
    #expect(try await harness.send(.put, path, token: token, body: #"{"status":"suspended"}"#).status == 200)
    #expect(try await harness.send(.get, "/api/v1/auth/me", token: token).status == 401, "suspension ends tokens")
    #expect(try await harness.login().status == 401)
  }

  @Test(arguments: [
    #"{"login":"x","role":"admin"}"#, #"{"login":"bad name","role":"admin"}"#, #"{"login":"sa_robot","role":"admin"}"#,
    #"{"login":"short","role":"admin","password":"too short"}"#,
    #"{"login":"same","role":"admin","password":"aaaaaaaaaaaaaaaa"}"#,
    #"{"login":"viktor","role":"admin","password":"my name is viktor"}"#, #"{"login":"typo","rôle":"admin"}"#,
    #"{"login":"boss","role":"emperor"}"#, "[]", "{", "",
  ])
  func badAdministratorsAreRefused(body: String) async throws {
    let harness = try await IdentityHarness()
    let token = try await harness.adminToken()
    let answer = try await harness.send(.post, "/api/v1/admin-users", token: token, body: body)
    #expect(answer.status == 400, "\(answer.text)")
    #expect(answer["error.code"] == "VALIDATION_ERROR")
  }

  @Test func theFirstAdministratorIsMadeOnce() async throws {
    let harness = try await IdentityHarness(withAdministrator: false)
    let made = try await withThrowingTaskGroup(of: AdministratorWithPassword?.self) { group in
      for _ in 0..<3 {
        group.addTask { try await harness.identity.createFirstAdministrator(login: "admin", password: nil) }
      }
      return try await group.reduce(into: [AdministratorWithPassword?]()) { $0.append($1) }
    }.compactMap { $0 }
    #expect(made.count == 1)
    let password = try #require(made.first?.oneTimePassword)
    #expect(try await harness.login("admin", password).json["must_change_password"] == .bool(true))
    #expect(try await harness.identity.createFirstAdministrator(login: "other", password: nil) == nil)
  }

  @Test func theSecondFactorIsAskedForAndWorksOnce() async throws {
    let harness = try await IdentityHarness()
    let token = try await harness.adminToken()
    let offer = try await harness.send(.post, "/api/v1/auth/totp", token: token)
    #expect(offer["otpauth_uri"]?.hasPrefix("otpauth://totp/ArtStore") == true)
    let totp = TOTP(secret: try #require(base32(offer["secret"] ?? "")))
    func code() -> String { totp.code(step: harness.time.now().seconds / 30) }
    let confirm = "/api/v1/auth/totp/confirm"
    #expect(try await harness.send(.post, confirm, token: token, body: #"{"code":"000000"}"#).status == 400)
    let confirmed = try await harness.send(.post, confirm, token: token, body: #"{"code":"\#(code())"}"#)
    guard case .array(let codes)? = confirmed.json["recovery_codes"], case .string(let recovery)? = codes.first else {
      Issue.record("no recovery codes: \(confirmed.text)")
      return
    }
    #expect(codes.count == 10)
    let refused = try await harness.login()
    #expect(refused.status == 401)
    #expect(refused.text.contains("second_factor_required"))
    #expect(try await harness.login(code: code()).status == 401, "that code confirmed already")
    harness.time.advance(.seconds(30))
    #expect(try await harness.login(code: code()).status == 200)
    #expect(try await harness.login(code: code()).status == 401, "a code works once")
    #expect(try await harness.login(code: recovery).status == 200)
    #expect(try await harness.login(code: recovery).status == 401, "a recovery code works once")
  }

  /// RFC 6238, appendix B (SHA-1), cut to six digits.
  @Test(arguments: [(59, "287082"), (1_111_111_109, "081804"), (1_234_567_890, "005924"), (20_000_000_000, "353130")])
  func codesAreThoseOfTheRFC(seconds: Int64, code: String) {
    #expect(TOTP(secret: Array("12345678901234567890".utf8)).code(step: seconds / 30) == code)
  }

  private func base32(_ text: String) -> [UInt8]? {
    let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".utf8)
    var out: [UInt8] = []
    var word: UInt32 = 0
    var bits: UInt32 = 0
    for byte in text.utf8 {
      guard let digit = digits.firstIndex(of: byte) else { return nil }
      word = word << 5 | UInt32(digit)
      bits += 5
      if bits >= 8 {
        out.append(UInt8(truncatingIfNeeded: word >> (bits - 8)))
        bits -= 8
      }
    }
    return out
  }
}

extension IdentityHarness {
  func refresh(_ login: Answer) async throws -> Answer {
    try await send(
      .post, "/api/v1/auth/refresh", body: #"{"refresh_token":"\#(login["refresh_token"] ?? "")"}"#)
  }

  func login(code: String) async throws -> Answer {
    try await send(
      .post, "/api/v1/auth/login",
      body: #"{"login":"admin","password":"\#(Self.password)","totp_code":"\#(code)"}"#)
  }
}
