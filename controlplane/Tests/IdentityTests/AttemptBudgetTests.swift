import Core
import HTTP
import Telemetry
import Testing

@testable import Identity

@Suite struct AttemptBudgetTests {
  private let time = MovableTime()

  private func drain(_ budgets: AttemptBudgets, _ address: String, _ account: String) -> Int {
    var admitted = 0
    while admitted < 1000 {
      let attempt = budgets.begin(.login, address: address, account: account)
      if attempt.wait != nil { break }
      budgets.failed(attempt)
      admitted += 1
    }
    return admitted
  }

  @Test func anAddressAndAnAccountHaveSoManyFailures() {
    let budgets = AttemptBudgets(time: time, metrics: MetricsRegistry())
    #expect(drain(budgets, "10.0.0.1", "anna") == AttemptBudgets.perAccount.attempts)
    // Another account from there has what the address has left.
    let rest = AttemptBudgets.perAddress.attempts - AttemptBudgets.perAccount.attempts
    #expect(drain(budgets, "10.0.0.1", "boris") <= rest)
    #expect(budgets.begin(.login, address: "10.0.0.1", account: "clara").wait != nil)
    #expect(budgets.begin(.login, address: "10.0.0.2", account: "clara").wait == nil)
  }

  @Test func whoDrainsItAgainWaitsTwiceAsLong() throws {
    let budgets = AttemptBudgets(time: time, metrics: MetricsRegistry())
    _ = drain(budgets, "10.0.0.1", "anna")
    let first = try #require(budgets.begin(.login, address: "10.0.0.2", account: "anna").wait)
    time.advance(.seconds(first))
    _ = drain(budgets, "10.0.0.3", "anna")
    let second = try #require(budgets.begin(.login, address: "10.0.0.4", account: "anna").wait)
    #expect(second == 2 * first)
    // Once it was full again, all is forgotten.
    time.advance(.seconds(100_000))
    #expect(drain(budgets, "10.0.0.5", "anna") == AttemptBudgets.perAccount.attempts)
    #expect(try #require(budgets.begin(.login, address: "10.0.0.6", account: "anna").wait) == first)
  }

  @Test func strangersDoNotLockOutWhoSignedInBefore() {
    let budgets = AttemptBudgets(time: time, metrics: MetricsRegistry())
    budgets.succeeded(budgets.begin(.login, address: "10.0.0.1", account: "anna"))
    // From elsewhere, and from behind the same gateway.
    _ = drain(budgets, "10.9.9.9", "anna")
    for number in 0..<20 { _ = drain(budgets, "10.0.0.1", "stranger \(number)") }
    let attempt = budgets.begin(.login, address: "10.0.0.1", account: "anna")
    #expect(attempt.wait == nil)
    budgets.failed(attempt)
    #expect(drain(budgets, "10.0.0.1", "anna") == AttemptBudgets.perAccount.attempts - 1, "guesses count there too")
  }

  @Test(arguments: [
    ("192.0.2.7", "192.0.2.7"), ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2/64"), ("2001:db8::1", "2001:db8:0:0/64"),
    ("::1", "0:0:0:0/64"), ("::ffff:192.0.2.7", "::ffff:192.0.2.7"), ("", ""),
  ])
  func aNetworkCountsAsOneAddress(address: String, network: String) {
    #expect(AttemptBudgets.network(of: address) == network)
  }

  @Test func theTokenEndpointSlowsDownStrangersAndNotTheClient() async throws {
    let harness = try await IdentityHarness()
    let account = try await harness.account()
    let id = try #require(account["client_id"])
    var statuses: [Int: Int] = [:]
    var last: Answer?
    for _ in 0..<(AttemptBudgets.perAccount.attempts + 10) {
      let answer = try await harness.form("/api/v1/auth/token", "grant_type=client_credentials", basic: "\(id):wrong")
      statuses[answer.status, default: 0] += 1
      last = answer
    }
    #expect(statuses == [401: AttemptBudgets.perAccount.attempts, 429: 10])
    #expect(last?["error.code"] == "RATE_LIMITED")
    #expect(try #require(Int(last?.headers["Retry-After"] ?? "")) > 0)
    #expect(try await harness.requestToken(of: account).status == 200, "the right secret passes all the same")
  }

  @Test func loginsAreRefusedBeforeThePasswordIsHashed() async throws {
    let harness = try await IdentityHarness()
    // From an address that nobody has signed in from: the harness's own is known after the first login.
    var limited = 0
    for _ in 0..<(AttemptBudgets.perAccount.attempts + 3) {
      if try await harness.login("admin", "a wrong password").status == 429 { limited += 1 }
    }
    #expect(limited == 3)
    harness.time.advance(.seconds(24 * 3600))
    #expect(try await harness.login().status == 200)
  }
}
