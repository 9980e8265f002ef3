internal import Core
internal import HTTP
internal import StorageAPI
internal import Testing

@testable import Console

/// Local clients, revoked keys, registering without a code: what is written, and where a mistake is told.
@Suite struct TrustPageTests {
  private func signedIn() async throws -> Browser {
    let browser = try Browser()
    browser.data.with {
      $0.elements = [.sample(), .sample(id: "8", name: "south")]
      $0.locals = [.sample(ends: Timestamp("2026-12-01T00:00:00Z")!)]
    }
    try await browser.signIn()
    return browser
  }

  /// That the page says at the field what is wrong, for eyes and for screen readers, and keeps what was typed.
  private func expect(_ answer: Answer, at field: String, _ text: String, keeps typed: String = "") {
    #expect(answer.status >= 400 && answer.status < 500)
    let problem = "id=\"f-\(field)-problem\">"
    #expect(answer.text.contains("\(problem)\(text)"), "\(field)")
    #expect(answer.text.contains("aria-describedby=\"f-\(field)-problem"), "\(field)")
    #expect(answer.text.contains(typed))
  }

  @Test func aLocalClientIsNamedRenewedAndRemoved() async throws {
    let browser = try await signedIn()
    let list = try await browser.get("/access/local-clients").text
    #expect(list.contains("artstore://client/scanner") && list.contains("north") && list.contains("files:read"))
    let made = try await browser.write(
      "/access/local-clients/new",
      [
        ("name", "press"), ("csr", "-----BEGIN"), ("scope-files:read", "yes"), ("scope-storage:read", "yes"),
        ("scope-admin:write", "yes"), ("site-8", "yes"), ("site-9", "yes"), ("days", "30"),
      ])
    #expect(made.status == 200 && made.text.contains("-----BEGIN CERTIFICATE-----"))
    #expect(try await browser.write("/access/local-clients/7/renew").text.contains("artstore://client/scanner"))
    #expect(try await browser.get("/access/local-clients/7/remove").text.contains("scanner"))
    let removed = try await browser.write("/access/local-clients/7/remove")
    #expect(removed.location == "/access/local-clients?notice=client-removed")
    // Scopes that no local client may have and sites that do not exist are not even asked for.
    #expect(browser.data.acts == ["client press files:read+storage:read 8 30", "renew 7", "remove client 7"])
    #expect(try await browser.get("/access/local-clients/99/remove").status == 404)
    #expect(try await browser.write("/access/local-clients/99/remove").status == 404)
  }

  @Test func anEndedTermIsSaid() async throws {
    let browser = try await signedIn()
    browser.data.with { $0.locals = [.sample(ends: Timestamp("2026-11-20T14:29:59Z")!)] }
    #expect(try await browser.get("/access/local-clients").text.contains("Expired"))
  }

  @Test func eachMistakeIsToldAtItsField() async throws {
    let browser = try await signedIn()
    let path = "/access/local-clients/new"
    func send(_ changed: [(String, String)]) async throws -> Answer {
      let good = [("name", "press"), ("csr", "-----BEGIN"), ("site-7", "yes"), ("days", "30")]
      return try await browser.write(path, good.map { item in changed.first { $0.0 == item.0 } ?? item })
    }
    expect(try await send([("name", "")]), at: "name", "A required field", keeps: "-----BEGIN")
    expect(try await send([("csr", "")]), at: "csr", "A required field", keeps: "value=\"press\"")
    for days in ["0", "46", "-1", "1.5", "many", ""] {
      expect(try await send([("days", days)]), at: "days", "A field that takes a number", keeps: "press")
    }
    let said: [(ErrorCode, String, field: String, shown: String)] = [
      (.validation, "name: 1–64 of the letters", "name", "1–64 of the letters A–Z"),
      (.validation, "csr: a PKCS #10", "csr", "This is no certificate request"),
      (.validation, "scopes: one or more", "scopes", "Choose at least one scope"),
      (.validation, "storage_element_ids: 1–100", "storage_element_ids", "Choose 1–100 storage elements"),
      (.conflict, "csr: this key is revoked; make a new one", "csr", "csr: this key is revoked"),
    ]
    for (code, message, field, shown) in said {
      browser.data.with { $0.failure = APIError(code, message) }
      expect(try await send([]), at: field, shown, keeps: "-----BEGIN")
    }
    browser.data.with { $0.failure = APIError(.conflict, "another local client has this name already") }
    let taken = try await send([])
    #expect(taken.status == 409 && taken.text.contains("another local client has this name"))
    browser.data.with { $0.failure = nil }
    _ = try await browser.write("/settings", [("language", "ru"), ("theme", "light")])
    browser.data.with { $0.failure = APIError(.validation, "csr: a PKCS #10") }
    expect(try await send([]), at: "csr", "Это не запрос на сертификат")
  }

  @Test func aKeyIsRevokedOnceAndForAll() async throws {
    let browser = try await signedIn()
    #expect(try await browser.get("/access/revocations").text.contains("Nothing is revoked"))
    let key = String(repeating: "0a", count: 32)
    let done = try await browser.write("/access/revocations", [("reason", "stolen"), ("key_sha256", key)])
    #expect(done.location == "/access/revocations?notice=revoked")
    #expect(browser.data.acts == ["revoke \(key) stolen"])
    browser.data.with {
      $0.revocations = [
        Revocation(
          key: key, subject: "artstore://client/<b>", reason: "<i>stolen</i>", revokedBy: "root",
          revokedAt: Timestamp("2026-11-20T14:00:00Z")!)
      ]
    }
    let list = try await browser.get("/access/revocations").text
    #expect(list.contains(key) && list.contains("&lt;i&gt;stolen") && !list.contains("<i>stolen"))
    let nothing = try await browser.write("/access/revocations", [("reason", ""), ("key_sha256", key)])
    expect(nothing, at: "reason", "A required field", keeps: key)
    #expect(nothing.text.contains("<details class=\"new-entry\" open"), "the form is not hidden")
    for (message, field, shown) in [
      ("key_sha256: the SHA-256", "key_sha256", "64 hexadecimal"),
      ("certificate: exactly", "certificate", "Give either"),
      ("reason: 1–400", "reason", "Give a reason"),
    ] {
      browser.data.with { $0.failure = APIError(.validation, message) }
      expect(
        try await browser.write("/access/revocations", [("reason", "stolen"), ("key_sha256", "zz")]), at: field, shown,
        keeps: "value=\"zz\"")
    }
  }

  @Test func aStorageElementIsRevokedAfterAQuestion() async throws {
    let browser = try await signedIn()
    #expect(try await browser.get("/storage-elements/7").text.contains("/storage-elements/7/revoke"))
    #expect(try await browser.get("/storage-elements/7/revoke").text.contains("Revoke the certificate of north?"))
    expect(try await browser.write("/storage-elements/7/revoke"), at: "reason", "A required field")
    #expect(browser.data.acts.isEmpty)
    let done = try await browser.write("/storage-elements/7/revoke", [("reason", "stolen")])
    #expect(done.location == "/storage-elements/7?notice=revoked")
    #expect(browser.data.acts == ["revoke element 7 stolen"])
    browser.data.with {
      $0.elements[0].certificateRevokedAt = Timestamp("2026-11-20T14:00:00Z")
      $0.elements[0].certificateRevokedReason = "stolen"
    }
    let page = try await browser.get("/storage-elements/7").text
    #expect(page.contains("Its certificate is revoked") && page.contains("Reason: stolen"))
    #expect(!page.contains("/storage-elements/7/revoke"))
    browser.data.with { $0.failure = APIError(.conflict, "this key is revoked already") }
    let again = try await browser.write("/storage-elements/7/revoke", [("reason", "stolen")])
    #expect(again.status == 409 && again.text.contains("revoked already"))
  }

  @Test func anApplianceOfThisFleetIsRegisteredWithoutACode() async throws {
    let browser = try await signedIn()
    #expect(try await browser.get("/storage-elements/claim").text.contains("/storage-elements/register"))
    browser.data.with {
      $0.discovery = Discovery(
        url: "https://a.example:8010", storageID: "se-1", version: "0.1", mode: .rw, knownAs: nil, isClaimed: true)
    }
    let found = try await browser.write("/storage-elements/discover", [("url", "https://a.example:8010")])
    #expect(found.text.contains("/storage-elements/register?url=https%3A%2F%2Fa.example%3A8010"))
    let form = try await browser.get("/storage-elements/register?url=https%3A%2F%2Fa.example%3A8010")
    #expect(form.text.contains("value=\"https://a.example:8010\"") && !form.text.contains("claim_code"))
    let good = [("url", "https://a.example:8010"), ("name", "north again"), ("priority", "5")]
    let done = try await browser.write("/storage-elements/register", good)
    #expect(done.location == "/storage-elements/new?notice=registered")
    #expect(browser.data.acts.last == "register north again https://a.example:8010 5")
    let path = "/storage-elements/register"
    expect(try await browser.write(path, [("url", "x"), ("priority", "5")]), at: "name", "A required", keeps: "\"x\"")
    expect(
      try await browser.write(path, [("url", "x"), ("name", "n"), ("priority", "-1")]), at: "priority", "A field that")
    browser.data.with { $0.failure = APIError(.validation, "url: https://host:port is needed") }
    expect(try await browser.write(path, good), at: "url", "An address like", keeps: "north again")
  }

  @Test func aClaimSaysAtTheFieldWhatIsWrong() async throws {
    let browser = try await signedIn()
    let good = [("url", "https://a:1"), ("name", "n"), ("claim_code", "abc"), ("priority", "5")]
    for (message, field, shown) in [
      ("claim_code: not a claim code", "claim_code", "This is no claim code"),
      ("name: 1–100", "name", "1–100 characters"),
      ("url: https", "url", "An address like"), ("priority: a whole", "priority", "A whole number from 0"),
    ] {
      browser.data.with { $0.failure = APIError(.validation, message) }
      expect(try await browser.write("/storage-elements/claim", good), at: field, shown, keeps: "value=\"abc\"")
    }
  }
}
