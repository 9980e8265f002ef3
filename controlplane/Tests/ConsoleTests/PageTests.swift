internal import Core
internal import HTTP
internal import StorageAPI
internal import Testing

@testable import Console

@Suite struct PageTests {
  private let hostile = "\"><script>alert(1)</script><img src=x onerror=alert(1)>'"

  @Test func hostileNamesStayText() async throws {
    let browser = try Browser()
    browser.data.with {
      $0.elements = [.sample(name: hostile)]
      $0.records = [.sample(name: hostile, description: hostile, tags: [hostile])]
      $0.people["root"]?.signedIn.login = hostile
    }
    try await browser.signIn()
    let query = Link.encode(hostile)
    let pages = [
      "/", "/files", "/files?q=\(query)&tags=\(query)&uploaded_by=\(query)&extension=\(query)",
      "/files/00000000-0000-0001-0000-000000000002", "/files/00000000-0000-0001-0000-000000000002/delete",
      "/storage-elements", "/storage-elements/7", "/storage-elements/7/mode?target=ro", "/storage-elements/7/remove",
      "/access", "/audit?actor=\(query)", "/settings", "/files?notice=\(query)", "/login?next=/\(query)",
    ]
    for page in pages {
      let answer = try await browser.get(page)
      #expect(answer.status < 400, "\(page)")
      #expect(!answer.text.contains("<script>") && !answer.text.contains("<img"), "\(page)")
      #expect(!answer.text.contains("alert(1)>"), "\(page)")
    }
    #expect(try await browser.get("/files").text.contains("&lt;script&gt;alert(1)"))
  }

  @Test func aSitesPageSaysHowItStands() async throws {
    let browser = try Browser()
    var element = StorageElement.sample()
    element.daysToFull = 41
    let start = Timestamp("2026-11-01T00:00:00Z")!
    element.standing = SiteStanding(
      answeredShare: 0.984, terms: [.init(reason: "local_clients", days: 5), .init(reason: "certificate", days: 80)],
      journalCheckedAt: start,
      points: (0..<20).map { .init(at: start + .seconds($0 * 7200), usedBytes: 1 << 30 + $0 << 20) },
      bytesPerDay: 12_582_912)
    browser.data.with { [element] in $0.elements = [element] }
    try await browser.signIn()
    let page = try await browser.get("/storage-elements/7").text
    for text in [
      "98%", "5 days", "80 days", "Grows by 12\u{A0}MiB a day", "41 days", "as it was pinned", "first local client",
    ] {
      #expect(page.contains(text), "\(text)")
    }
    #expect(page.contains("aria-label=\"Used: from 1\u{A0}GiB on 1\u{A0}Nov"))
    #expect(page.contains("M0 114L") && page.contains("L600 6"), "from the least to the most")
    element.standing?.journalProblem = hostile
    element.standing?.bytesPerDay = nil
    browser.data.with { [element] in $0.elements = [element] }
    _ = try await browser.write("/settings", [("language", "ru"), ("theme", "light")])
    let russian = try await browser.get("/storage-elements/7").text
    #expect(russian.contains("Журнал на этом устройстве изменён") && russian.contains("судить о темпе рано"))
    #expect(!russian.contains("<script>") && russian.contains("&lt;script&gt;alert(1)"))
  }

  /// Each fault of a sync that the API knows has words of its own, in both languages; so has a wrong clock.
  @Test func everyFaultOfAStorageElementIsSaid() async throws {
    let browser = try Browser()
    try await browser.signIn()
    for language in ["en", "ru"] {
      _ = try await browser.write("/settings", [("language", language), ("theme", "light")])
      browser.data.with { $0.elements = [.sample()] }
      let well = try await browser.get("/storage-elements/7").text
      var pages: Set<String> = [well]
      let faults = [
        "unreachable", "untrusted", "cut", "bad_page", "endless", "history_changed", "lines_refused", "unequal",
        "database", "failed",
      ]
      for fault in faults {
        browser.data.with { $0.elements[0].syncFault = fault }
        pages.insert(try await browser.get("/storage-elements/7").text)
      }
      #expect(pages.count == faults.count + 1, "two faults look alike, or one is not shown")
      browser.data.with {
        $0.elements = [.sample()]
        $0.elements[0].isClockWrong = true
        $0.elements[0].clockOffsetMilliseconds = -3_600_000
      }
      #expect(try await browser.get("/storage-elements/7").text.contains("−3\(language == "en" ? "," : "\u{A0}")600"))
      browser.data.with { $0.elements[0].isLossHeld = true }
      #expect(try await browser.get("/storage-elements/7").text.contains("accept-loss"))
    }
  }

  @Test func pagesSpeakBothLanguages() async throws {
    let browser = try Browser()
    #expect(try await browser.get("/login", headers: ["Accept-Language": "ru"]).text.contains("Войти"))
    _ = try await browser.get("/login?language=ru")
    #expect(try await browser.get("/login").text.contains("<html lang=\"ru\""))
    try await browser.signIn()
    #expect(try await browser.get("/").text.contains("Обзор"))
    let saved = try await browser.write("/settings", [("language", "en"), ("theme", "dark")])
    #expect(saved.status == 303)
    let english = try await browser.get("/")
    #expect(english.text.contains("Dashboard") && english.text.contains("data-bs-theme=\"dark\""))
    _ = try await browser.write("/settings", [("language", "xx"), ("theme", "\"><script>")])
    #expect(try await browser.get("/").text.contains("lang=\"en\""))
  }

  @Test func searchFormBecomesAQueryAndBack() async throws {
    let browser = try Browser()
    try await browser.signIn()
    let address =
      "/files?q=%D0%BE%D1%82%D1%87%D1%91%D1%82&mode=partial&extension=.pdf&tags=a,%20b&retention=permanent"
      + "&status=expired"
      + "&after=2026-01-02&before=2026-01-03&min_size=2&order=largest&cursor=abc"
    _ = try await browser.get(address)
    let query = try #require(browser.data.with { $0.queries.last })
    #expect(query.text == "отчёт" && query.mode == .partial && query.fileExtension == "pdf")
    #expect(query.tags == ["a", "b"] && query.retention == .permanent && query.status == .expired)
    #expect(query.uploadedAfter == Timestamp("2026-01-02T00:00:00Z"))
    #expect(query.uploadedBefore == Timestamp("2026-01-03T23:59:59Z"))
    #expect(query.minSize == 2048 && query.maxSize == nil && query.order == .largest && query.cursor == "abc")
    _ = try await browser.get(query.link.text)
    let again = try #require(browser.data.with { $0.queries.last })
    #expect(again.link == query.link)
  }

  @Test func wrongFiltersAreLeftOut() async throws {
    let browser = try Browser()
    try await browser.signIn()
    let answer = try await browser.get("/files?mode=x&retention=y&after=yesterday&min_size=-5&order=z")
    #expect(answer.status == 200)
    let query = try #require(browser.data.with { $0.queries.last })
    #expect(query.isEverything)
  }

  @Test func htmxGetsOnlyItsPart() async throws {
    let browser = try Browser()
    browser.data.with { $0.records = [.sample(name: "a.pdf")] }
    try await browser.signIn()
    let part = try await browser.get("/files?q=a", headers: ["HX-Request": "true", "HX-Target": "results"])
    #expect(!part.text.contains("<html") && part.text.contains("a.pdf"))
    let whole = try await browser.get("/files?q=a")
    #expect(whole.text.contains("<html") && whole.text.contains(part.text))
    browser.forget("artstore_session")
    let ended = try await browser.get("/files", headers: ["HX-Request": "true", "HX-Target": "results"])
    #expect(ended.status == 401 && ended.headers["HX-Redirect"] == "/login")
  }

  @Test func failuresAreShownOnThePageWithWhatWasTyped() async throws {
    let browser = try Browser()
    try await browser.signIn()
    browser.data.with {
      $0.failure = APIError(.storageElementUnavailable, "nobody answers at this address; check it")
    }
    let fields = [("url", "https://10.0.0.9:8010"), ("claim_code", "CODE"), ("name", "South"), ("priority", "5")]
    let answer = try await browser.write("/storage-elements/claim", fields)
    #expect(answer.status == 502)
    #expect(answer.text.contains("nobody answers at this address") && answer.text.contains("value=\"South\""))
    let search = try await browser.get("/files?q=a")
    #expect(search.status == 502 && search.text.contains("The storage is not reachable"))
  }

  @Test func missingThingsArePagesNotJSON() async throws {
    let browser = try Browser()
    try await browser.signIn()
    for path in [
      "/nothing/here", "/files/not-an-id", "/storage-elements/404", "/files/00000000-0000-0001-0000-000000000009",
    ] {
      let answer = try await browser.get(path)
      #expect(answer.status == 404 && answer.text.contains("<html"), "\(path)")
    }
  }

  @Test func secretsAreShownOnceAndNeverInAnAddress() async throws {
    let browser = try Browser()
    try await browser.signIn()
    let account = try await browser.write(
      "/access/service-accounts",
      [("name", "scanner"), ("days", "90"), ("scope-files:read", "yes"), ("scope-files:write", "yes")])
    #expect(account.status == 200 && account.text.contains("shown-once") && account.location == nil)
    #expect(browser.data.acts.last == "account scanner files:read+files:write 90")
    let person = try await browser.write("/access/administrators", [("login", "anna"), ("role", "readonly")])
    #expect(person.text.contains("one-time-secret"))
    let wrong = try await browser.write("/access/administrators", [("login", "anna"), ("role", "owner")])
    #expect(wrong.status == 400)
    let days = try await browser.write("/access/service-accounts", [("name", "x"), ("days", "many")])
    #expect(days.status == 400)
  }

  @Test func storageActionsReachTheFleet() async throws {
    let browser = try Browser()
    browser.data.with { $0.elements = [.sample()] }
    try await browser.signIn()
    let synced = try await browser.write("/storage-elements/7/sync")
    #expect(synced.location == "/storage-elements/7?notice=synced&n=3.2.1.1234")
    #expect(
      try await browser.get(synced.location ?? "").text.contains("Added: 3, updated: 2, deleted: 1, unchanged: 1,234"))
    #expect(try await browser.write("/storage-elements/7/mode", [("target", "ro")]).status == 303)
    #expect(try await browser.write("/storage-elements/7/mode", [("target", "edit")]).status == 409)
    #expect(try await browser.write("/storage-elements/7/remove", [("force", "yes")]).status == 303)
    #expect(try await browser.write("/storage-elements/7", [("name", "North"), ("priority", "-1")]).status == 400)
    #expect(browser.data.acts == ["sync 7", "mode 7 ro", "remove 7 force true"])
  }
}
