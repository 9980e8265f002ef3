internal import HTTP
internal import Testing

@testable import Console

/// One's own second factor and sessions on the settings page.
@Suite struct SecurityTests {
  @Test func aSecondFactorIsSetUpAndRemoved() async throws {
    let browser = try Browser()
    try await browser.signIn()
    #expect(try await browser.get("/settings").text.contains("/settings/second-factor\""))
    let offer = try await browser.write("/settings/second-factor")
    #expect(offer.status == 200)
    #expect(offer.text.contains("viewBox=\"0 0 29 29\"") && offer.text.contains("M4 4h7v1h-7z"))
    #expect(offer.text.contains("JBSWY3DPEHPK3PXP"))
    #expect(offer.headers["Cache-Control"]?.contains("no-store") == true)
    #expect(try await browser.write("/settings/second-factor/confirm", [("code", "000000")]).status == 400)
    let codes = try await browser.write("/settings/second-factor/confirm", [("code", "123456")])
    #expect(codes.text.contains("recover-one") && codes.text.contains("recover-two"))
    #expect(try await browser.get("/settings").text.contains("/settings/second-factor/remove"))
    #expect(try await browser.write("/settings/second-factor/remove", [("code", "999999")]).status == 403)
    #expect(try await browser.write("/settings/second-factor/remove", [("code", "123456")]).status == 303)
    #expect(!(try await browser.get("/settings").text.contains("/settings/second-factor/remove")))
  }

  @Test func sessionsAreListedAndEnded() async throws {
    let browser = try Browser()
    try await browser.signIn()
    let first = SessionGate.key(of: browser.cookie("artstore_session") ?? "")
    browser.forget("artstore_session")
    try await browser.signIn()
    let page = try await browser.get("/settings").text
    #expect(page.contains("/settings/sessions/\(first)/end"))
    #expect(try await browser.write("/settings/sessions/\(first)/end").status == 303)
    #expect(try await browser.sessions.session(first) == nil)
    #expect(try await browser.get("/settings").status == 200, "the present one lives")
    browser.forget("artstore_session")
    try await browser.signIn()
    #expect(try await browser.write("/settings/sessions/end").status == 303)
    let key = SessionGate.key(of: browser.cookie("artstore_session") ?? "")
    #expect(try await browser.sessions.all(of: "1", at: browser.clock.now()).map(\.key) == [key])
  }

  @Test func theSessionOfAnotherIsNotFound() async throws {
    let browser = try Browser()
    try await browser.signIn()
    let root = SessionGate.key(of: browser.cookie("artstore_session") ?? "")
    browser.forget("artstore_session")
    try await browser.signIn("viewer", password: "only looking around")
    #expect(try await browser.write("/settings/sessions/\(root)/end").status == 404)
    #expect(try await browser.sessions.session(root) != nil)
    #expect(!(try await browser.get("/settings").text.contains(root)))
  }

  @Test func theTokenOfTheSessionIsNeeded() async throws {
    let browser = try Browser()
    try await browser.signIn()
    for path in ["/settings/second-factor", "/settings/sessions/end"] {
      #expect(try await browser.post(path, []).status == 403)
    }
  }
}
