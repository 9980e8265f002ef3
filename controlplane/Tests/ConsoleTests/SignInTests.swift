internal import Core
internal import HTTP
internal import Testing

@testable import Console

@Suite struct SignInTests {
  @Test func strangersAreLedToTheLoginPageAndBack() async throws {
    let browser = try Browser()
    let asked = try await browser.get("/files?q=a%20b")
    #expect(asked.status == 303)
    #expect(asked.location == "/login?next=%2Ffiles%3Fq%3Da%2520b")
    _ = try await browser.get("/login")
    let answer = try await browser.post(
      "/login",
      [
        ("_csrf", browser.cookie("artstore_login") ?? ""), ("login", "root"), ("password", "correct horse battery"),
        ("next", "/files?q=a%20b"),
      ])
    #expect(answer.status == 303)
    #expect(answer.location == "/files?q=a%20b")
    #expect(try await browser.get("/files").status == 200)
  }

  @Test func aForeignPlaceIsNotFollowedAfterSigningIn() async throws {
    let browser = try Browser()
    _ = try await browser.get("/login")
    let answer = try await browser.post(
      "/login",
      [
        ("_csrf", browser.cookie("artstore_login") ?? ""), ("login", "root"), ("password", "correct horse battery"),
        ("next", "//evil.example/"),
      ])
    #expect(answer.location == "/")
  }

  @Test func wrongPasswordKeepsTheLoginAndSaysNothingMore() async throws {
    let browser = try Browser()
    let wrong = try await browser.signIn("root", password: "wrong")
    let unknown = try await browser.signIn("nobody", password: "wrong")
    #expect(wrong.status == 401)
    #expect(wrong.text.contains("value=\"root\""))
    #expect(!wrong.text.contains("wrong\""))
    #expect(unknown.status == 401)
    #expect(browser.cookie("artstore_session") == nil)
  }

  @Test func theLoginFormNeedsItsOwnToken() async throws {
    let browser = try Browser()
    _ = try await browser.get("/login")
    let answer = try await browser.post(
      "/login", [("_csrf", "made up"), ("login", "root"), ("password", "correct horse battery")])
    #expect(answer.status == 403)
    #expect(browser.cookie("artstore_session") == nil)
  }

  @Test func aOneTimePasswordAllowsNothingButChangingIt() async throws {
    let browser = try Browser()
    try await browser.signIn("fresh", password: "one-time")
    for path in ["/", "/files", "/storage-elements", "/access", "/events", "/settings"] {
      let answer = try await browser.get(path)
      #expect(answer.status == 303 && answer.location == "/settings/password", "\(path)")
    }
    #expect(try await browser.write("/storage-elements/7/sync").location == "/settings/password")
    #expect(browser.data.acts.isEmpty)
    let short = try await browser.write(
      "/settings/password", [("current", "one-time"), ("new", "short"), ("again", "short")])
    #expect(short.status == 400)
    let different = try await browser.write(
      "/settings/password", [("current", "one-time"), ("new", "long enough now"), ("again", "long enough then")])
    #expect(different.status == 400)
    let changed = try await browser.write(
      "/settings/password", [("current", "one-time"), ("new", "long enough now"), ("again", "long enough now")])
    #expect(changed.location == "/?notice=password")
    #expect(try await browser.get("/files").status == 200)
  }

  @Test func sessionsEndWhenIdleAndInAnyCase() async throws {
    let browser = try Browser()
    try await browser.signIn()
    for _ in 0..<23 {
      browser.clock.advance(.seconds(29 * 60))
      #expect(try await browser.get("/files").status == 200)
    }
    browser.clock.advance(.seconds(3600))
    #expect(try await browser.get("/files").status == 303)
    try await browser.signIn()
    for _ in 0..<26 {
      browser.clock.advance(.seconds(29 * 60))
      _ = try await browser.get("/files")
    }
    #expect(try await browser.get("/files").status == 303)
  }

  @Test func listeningForEventsDoesNotKeepASessionAlive() async throws {
    let browser = try Browser()
    try await browser.signIn()
    for _ in 0..<2 {
      browser.clock.advance(.seconds(20 * 60))
      _ = try await browser.get("/events")
    }
    #expect(try await browser.get("/files").status == 303)
  }

  @Test func aSuspendedPersonIsOutAtOnce() async throws {
    let browser = try Browser()
    try await browser.signIn()
    browser.data.with { _ = $0.suspended.insert("1") }
    #expect(try await browser.get("/files").status == 303)
    browser.data.with { $0.suspended = [] }
    #expect(try await browser.get("/files").status == 303, "the session is gone, not only asleep")
  }

  @Test func signingOutEndsTheSessionOnTheServer() async throws {
    let browser = try Browser()
    try await browser.signIn()
    let token = browser.cookie("artstore_session") ?? ""
    #expect(try await browser.write("/logout").status == 303)
    #expect(try await browser.sessions.session(SessionGate.key(of: token)) == nil)
  }

  @Test func aSessionNameThatWasThereBeforeIsNotTakenOver() async throws {
    let browser = try Browser()
    browser.hold("artstore_session", "planted")
    try await browser.signIn()
    #expect(browser.cookie("artstore_session") != "planted")
    #expect(try await browser.sessions.session(SessionGate.key(of: "planted")) == nil)
    #expect(try await browser.get("/files").status == 200)
  }

  @Test func cookiesAreStrictAndSecureOffLoopback() async throws {
    let local = try await Browser().signIn()
    let cookies = local.headers.fields.filter { $0.name == "Set-Cookie" }.map(\.value)
    let session = try #require(cookies.first { $0.hasPrefix("artstore_session=") })
    #expect(session.contains("; HttpOnly; SameSite=Strict"))
    #expect(!session.contains("Secure"))
    let remote = try await Browser(host: "console.example:4200").get("/login")
    let login = try #require(remote.headers["Set-Cookie"])
    #expect(login.hasPrefix("__Host-artstore_login="))
    #expect(login.hasSuffix("; Secure"))
    #expect(remote.headers["Strict-Transport-Security"] != nil)
  }
}
