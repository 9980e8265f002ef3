import Core
import HTTP
import JWT
import Testing

@testable import Identity

/// What was made before a revocation ends with it, what is made after it lives, and no clock of whole seconds decides.
@Suite struct RevocationTests {
  @Test func twoRevocationsInOneSecondEndWhatWasMadeBetweenThem() async throws {
    let harness = try await IdentityHarness()
    let account = try await harness.account()
    let admin = try await harness.adminToken()
    let path = "/api/v1/service-accounts/\(try #require(account["id"]))"
    func set(_ status: String) async throws {
      let body = #"{"status":"\#(status)"}"#
      #expect(try await harness.send(.put, path, token: admin, body: body).status == 200)
    }
    func isAlive(_ token: String) async throws -> Bool {
      try await harness.send(.get, "/api/v1/auth/me", token: token).status == 200
    }
    // The clock of the test stands still: everything below happens in one microsecond.
    let first = try await harness.token(of: account)
    try await set("suspended")
    try await set("active")
    let second = try await harness.token(of: account)
    #expect(try await isAlive(first) == false)
    #expect(try await isAlive(second))
    try await set("suspended")
    try await set("active")
    let third = try await harness.token(of: account)
    #expect(try await isAlive(second) == false)
    #expect(try await isAlive(third))
    // A replica that reads all of it from the database agrees.
    let replica = try await IdentityHarness(url: harness.url, time: harness.time, withAdministrator: false)
    for (token, status) in [(first, 401), (second, 401), (third, 200)] {
      #expect(try await replica.send(.get, "/api/v1/auth/me", token: token).status == status)
    }
  }

  /// Libraries of clients (PyJWT) refuse a token whose `iat` lies ahead of their clock.
  @Test func aTokenAfterARevocationIsNotFromTheFuture() async throws {
    let harness = try await IdentityHarness()
    let account = try await harness.account()
    let text = try #require(account["id"])
    let id = try #require(FileID(text))
    for _ in 0..<5 {
      _ = try await harness.identity.serviceAccounts.update(id, ServiceAccountPatch(status: .suspended), by: .system)
    }
    _ = try await harness.identity.serviceAccounts.update(id, ServiceAccountPatch(status: .active), by: .system)
    let claims = try harness.identity.keys.verifier.verify(try await harness.token(of: account))
    #expect(claims.issuedAt <= harness.time.now())
    #expect(claims.notBefore <= harness.time.now())
    #expect(!harness.identity.revocations.covers(claims))
  }

  /// A replica that has not yet heard of the revocation gives a token that outlives it all the same.
  @Test func aReplicaThatHasNotHeardOfItGivesALivingToken() async throws {
    let harness = try await IdentityHarness()
    let replica = try await IdentityHarness(url: harness.url, time: harness.time, withAdministrator: false)
    let login = try await harness.login()
    let before = try #require(login["access_token"])
    let body = #"{"old_password":"\#(IdentityHarness.password)","new_password":"another battery of horses"}"#
    let path = "/api/v1/admin-users/me/change-password"
    #expect(try await harness.send(.post, path, token: before, body: body).status == 204)
    let after = try #require(try await replica.login("admin", "another battery of horses")["access_token"])
    try await replica.identity.refresh()
    for place in [harness, replica] {
      #expect(try await place.send(.get, "/api/v1/auth/me", token: before).status == 401)
      #expect(try await place.send(.get, "/api/v1/auth/me", token: after).status == 200)
    }
  }

  @Test func idsOfTokensTellTheirMoment() {
    let moment = Timestamp(microseconds: 1_790_000_000_123_456)
    let made = TokenID.make(at: moment, random: SystemRandom())
    #expect(TokenID.moment(of: made) == moment)
    #expect(made != TokenID.make(at: moment, random: SystemRandom()))
    // 16 random bytes, as they were before.
    #expect(TokenID.moment(of: Base64.url.encode(Array(repeating: 7, count: 16))) == nil)
    #expect(TokenID.moment(of: String(repeating: "!", count: 32)) == nil)
  }
}
