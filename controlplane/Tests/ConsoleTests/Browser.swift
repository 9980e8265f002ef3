internal import Core
internal import HTTP
internal import HTTPServer
internal import Synchronization
internal import Telemetry

@testable import Console

/// A console over fake data, and a browser that keeps its cookies, both in memory.
final class Browser: Sendable {
  let data: FakeData
  let sessions: MemorySessionStore
  let clock: ManualTime
  let console: Console
  private let router: Router
  private let cookies = Mutex<[String: String]>([:])
  private let host: String

  init(data: FakeData = FakeData(), host: String = "127.0.0.1:4200") throws {
    self.data = data
    self.host = host
    sessions = MemorySessionStore()
    clock = ManualTime()
    console = Console(
      identity: data, fleet: data, trust: data, files: data,
      gate: SessionGate(sessions: sessions, identity: data, time: clock, random: SeededRandom(seed: 7)),
      assets: try AssetStore(folder: "/assets") { Array("content of \($0)".utf8) }, time: clock,
      random: SeededRandom(seed: 8), logger: .silent, eventInterval: .seconds(5))
    router = Router(console.routes, authorizer: console.authorizer, renderError: console.errorResponse)
  }

  func send(
    _ method: HTTPMethod, _ target: String, headers: HeaderFields = [:], body: [UInt8] = []
  ) async throws -> Answer {
    var fields: HeaderFields = ["Host": host]
    let held = cookies.withLock { $0.map { "\($0.key)=\($0.value)" }.sorted().joined(separator: "; ") }
    if !held.isEmpty { fields.append("Cookie", held) }
    for (name, value) in headers.fields { fields.append(name, value) }
    let response = await router.respond(to: try Request.make(method, target, headers: fields, body: body))
    for (name, value) in response.headers.fields where name == "Set-Cookie" { keep(value) }
    return Answer(response)
  }

  private func keep(_ header: String) {
    let pair = header.prefix { $0 != ";" }
    guard let equals = pair.firstIndex(of: "=") else { return }
    cookies.withLock { $0[String(pair[..<equals])] = String(pair[pair.index(after: equals)...]) }
  }

  func cookie(_ name: String) -> String? { cookies.withLock { $0[name] } }

  func hold(_ name: String, _ value: String) { cookies.withLock { $0[name] = value } }

  func forget(_ name: String) { cookies.withLock { $0[name] = nil } }

  func get(_ target: String, headers: HeaderFields = [:]) async throws -> Answer {
    try await send(.get, target, headers: headers)
  }

  func post(_ target: String, _ fields: [(String, String)], headers: HeaderFields = [:]) async throws -> Answer {
    var all: HeaderFields = ["Content-Type": "application/x-www-form-urlencoded"]
    for (name, value) in headers.fields { all.append(name, value) }
    let body = QueryItems(fields.map { (name: $0.0, value: $0.1) }).encoded
    return try await send(.post, target, headers: all, body: Array(body.utf8))
  }

  /// Sends a form with the token of the signed-in session.
  func write(_ target: String, _ fields: [(String, String)] = []) async throws -> Answer {
    try await post(target, [("_csrf", try await token())] + fields)
  }

  func token() async throws -> String {
    let key = SessionGate.key(of: cookie("artstore_session") ?? "")
    return try await sessions.session(key)?.csrfToken ?? ""
  }

  @discardableResult
  func signIn(_ login: String = "root", password: String = "correct horse battery") async throws -> Answer {
    _ = try await get("/login")
    return try await post(
      "/login", [("_csrf", cookie("artstore_login") ?? ""), ("login", login), ("password", password)])
  }
}

struct Answer {
  let status: Int
  let headers: HeaderFields
  let text: String

  init(_ response: Response) {
    status = response.status.rawValue
    headers = response.headers
    if case .bytes(let bytes) = response.body { text = String(decoding: bytes, as: UTF8.self) } else { text = "" }
  }

  var location: String? { headers["Location"] }
}

/// A clock that a test sets.
final class ManualTime: TimeSource {
  private let time = Mutex(Timestamp("2026-11-20T14:30:00Z")!)

  func now() -> Timestamp { time.withLock { $0 } }
  func uptime() -> Duration { now().since(Timestamp(seconds: 0)) }
  func advance(_ duration: Duration) { time.withLock { $0 = $0 + duration } }
}
