internal import Core
internal import HTTP
internal import StorageAPI
internal import Testing

@testable import Console

@Suite struct UploadTests {
  private func body(_ fields: [(String, String)], file: (name: String, content: String)?) -> [UInt8] {
    var text = ""
    for (name, value) in fields {
      text += "--B\r\nContent-Disposition: form-data; name=\"\(name)\"\r\n\r\n\(value)\r\n"
    }
    if let file {
      text += "--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"\(file.name)\"\r\n"
      text += "Content-Type: text/plain\r\n\r\n\(file.content)\r\n"
    }
    return Array((text + "--B--\r\n").utf8)
  }

  private func upload(
    _ browser: Browser, _ fields: [(String, String)], file: (name: String, content: String)?,
    headers: HeaderFields = [:]
  ) async throws -> Answer {
    var all: HeaderFields = ["Content-Type": "multipart/form-data; boundary=B"]
    for (name, value) in headers.fields { all.append(name, value) }
    return try await browser.send(.post, "/files/upload", headers: all, body: body(fields, file: file))
  }

  @Test func aFormUploadsWithItsFields() async throws {
    let browser = try Browser()
    try await browser.signIn()
    let answer = try await upload(
      browser,
      [
        ("_csrf", try await browser.token()), ("description", " Отчёт "), ("tags", "a, b,"),
        ("retention_policy", "temporary"), ("ttl_days", "7"),
      ], file: ("отчёт.txt", "hello"))
    #expect(answer.status == 303 && answer.location?.hasPrefix("/files/") == true)
    let sent = try #require(browser.data.with { $0.uploads.first })
    #expect(sent.draft.filename == "отчёт.txt" && sent.draft.description == "Отчёт" && sent.draft.tags == ["a", "b"])
    #expect(sent.draft.ttlDays == 7 && sent.draft.retention == .temporary && sent.draft.contentType == "text/plain")
    #expect(sent.bytes == Array("hello".utf8))
  }

  @Test func aScriptGetsJSON() async throws {
    let browser = try Browser()
    try await browser.signIn()
    let headers: HeaderFields = ["Accept": "application/json", "X-CSRF-Token": try await browser.token()]
    let stored = try await upload(
      browser, [("retention_policy", "permanent"), ("ttl_days", "7")], file: ("a.txt", "x"), headers: headers)
    #expect(stored.status == 201 && stored.text.contains("\"link\":\"/files/"))
    #expect(browser.data.with { $0.uploads.first?.draft.ttlDays } == nil)
    browser.data.with { $0.failure = APIError(.storageFull, "no appliance has room; add one") }
    let refused = try await upload(browser, [], file: ("a.txt", "x"), headers: headers)
    #expect(refused.status == 507 && refused.text.contains("no appliance has room"))
  }

  @Test(arguments: ["", "made up"])
  func noBytesAreTakenWithoutTheToken(_ token: String) async throws {
    let browser = try Browser()
    try await browser.signIn()
    let answer = try await upload(browser, [("_csrf", token)], file: ("a.txt", "x"))
    #expect(answer.status == 403)
    #expect(browser.data.acts.isEmpty)
  }

  @Test func whatIsMissingIsSaid() async throws {
    let browser = try Browser()
    try await browser.signIn()
    let token = try await browser.token()
    #expect(try await upload(browser, [("_csrf", token)], file: nil).status == 400)
    #expect(try await upload(browser, [("_csrf", token)], file: ("", "")).status == 400)
    #expect(try await upload(browser, [("_csrf", token), ("ttl_days", "400")], file: ("a", "x")).status == 400)
    let plain = try await browser.post("/files/upload", [("_csrf", token)])
    #expect(plain.status == 415)
    #expect(browser.data.acts.isEmpty)
  }

  @Test func documentsNeverRunAsPagesOfTheConsole() async throws {
    let browser = try Browser()
    try await browser.signIn()
    let answer = try await browser.get("/files/00000000-0000-0001-0000-000000000002/download")
    #expect(answer.headers["Content-Security-Policy"]?.contains("sandbox") == true)
    #expect(answer.headers["Content-Disposition"]?.hasPrefix("attachment") == true)
    #expect(answer.headers["X-Content-Type-Options"] == "nosniff")
  }
}
