internal import Core
internal import HTTP
internal import HTTPServer
internal import Testing

@testable import Console

/// Every route that writes, found by asking the console for its routes: a new one is tested before it is thought of.
@Suite struct WriteTests {
  private static let open: Set = ["/login"]

  private func writes(_ browser: Browser) -> [Route] {
    browser.console.routes.filter { $0.method != .get && !Self.open.contains($0.path) }
  }

  private func fill(_ path: String) -> String {
    path.split(separator: "/").map { $0.hasPrefix("{") ? "7" : String($0) }.reduce("") { $0 + "/" + $1 }
  }

  @Test func nothingIsWrittenWithoutASession() async throws {
    let browser = try Browser()
    for route in writes(browser) {
      let answer = try await browser.post(fill(route.path), [("_csrf", "")])
      #expect(answer.status == 303 && answer.location?.hasPrefix("/login") == true, "\(route.path)")
    }
    #expect(browser.data.acts.isEmpty)
  }

  @Test func nothingIsWrittenWithoutTheToken() async throws {
    let browser = try Browser()
    browser.data.with { $0.elements = [.sample()] }
    try await browser.signIn()
    for route in writes(browser) where route.path != "/files/upload" {
      for token in ["", "made up"] {
        let answer = try await browser.post(
          fill(route.path), [("_csrf", token), ("target", "ro"), ("name", "x"), ("login", "x"), ("role", "admin")])
        #expect(answer.status == 403, "\(route.path)")
      }
    }
    #expect(browser.data.acts.isEmpty)
  }

  @Test func nothingIsWrittenFromAnotherSite() async throws {
    let browser = try Browser()
    try await browser.signIn()
    let token = try await browser.token()
    let foreign: [HeaderFields] = [
      ["Sec-Fetch-Site": "cross-site"], ["Sec-Fetch-Site": "same-site"], ["Origin": "https://evil.example"],
      ["Origin": "null"],
    ]
    for route in writes(browser) {
      for headers in foreign {
        let answer = try await browser.post(fill(route.path), [("_csrf", token)], headers: headers)
        #expect(answer.status == 403, "\(route.path)")
      }
    }
    #expect(browser.data.acts.isEmpty)
  }

  @Test func readonlyMayChangeOnlyItsOwnThings() async throws {
    let browser = try Browser()
    browser.data.with { $0.elements = [.sample()] }
    try await browser.signIn("viewer", password: "only looking around")
    // One's own preferences, password, second factor and sessions.
    for route in writes(browser) where route.path != "/logout" && !route.path.hasPrefix("/settings") {
      #expect(try await browser.write(fill(route.path)).status == 403, "\(route.path)")
    }
    #expect(browser.data.acts.isEmpty)
    #expect(try await browser.write("/settings", [("theme", "dark")]).status == 303)
    for page in ["/", "/files", "/storage-elements", "/storage-elements/7", "/access", "/audit", "/settings"] {
      let answer = try await browser.get(page)
      #expect(answer.status == 200, "\(page)")
      let forms = answer.text.components("method=\"post\"")
      let allowed = answer.text.components("action=\"/logout\"") + answer.text.components("action=\"/settings")
      #expect(forms == allowed, "\(page) offers what readonly may not do")
    }
  }

  @Test func everyPageHasTheStrictPolicyAndNothingInline() async throws {
    let browser = try Browser()
    browser.data.with {
      $0.elements = [.sample()]
      $0.records = [.sample(name: "a.pdf")]
    }
    let login = try await browser.get("/login")
    try await browser.signIn()
    var pages = [login]
    for route in browser.console.routes where route.method == .get && !route.path.contains("assets") {
      if route.path == "/events" || route.path.hasSuffix("/download") { continue }
      let id = route.path.hasPrefix("/files") ? "00000000-0000-0001-0000-000000000002" : "7"
      let path = route.path.split(separator: "/").map { $0.hasPrefix("{") ? id : String($0) }.reduce("") {
        $0 + "/" + $1
      }
      pages.append(try await browser.get((path.isEmpty ? "/" : path) + (path.hasSuffix("mode") ? "?target=ro" : "")))
    }
    pages.append(try await browser.get("/no-such-page"))
    for page in pages {
      let policy = page.headers["Content-Security-Policy"] ?? ""
      #expect(policy.contains("default-src 'none'") && policy.contains("script-src 'self';"))
      #expect(!policy.contains("unsafe"))
      #expect(page.headers["Cache-Control"] == "no-store")
      #expect(page.headers["X-Content-Type-Options"] == "nosniff")
      #expect(!page.text.contains(" style=") && !page.text.contains("<style") && !page.text.contains(" onclick"))
      #expect(page.text.components("<script") == page.text.components("<script src=\"/assets/"))
    }
  }
}

extension String {
  /// How often `part` occurs.
  func components(_ part: String) -> Int { ranges(of: part).count }
}
