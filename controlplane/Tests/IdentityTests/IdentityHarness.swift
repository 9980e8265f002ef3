import Catalogue
import Core
import HTTP
import HTTPServer
import Postgres
import PostgresTesting
import Reactor
import Synchronization
import Telemetry
import Testing

@testable import Identity

/// A clock the test moves.
final class MovableTime: TimeSource {
  private let current: Mutex<Timestamp>

  init(_ start: Timestamp = Timestamp(seconds: 1_790_000_000)) { current = Mutex(start) }

  func now() -> Timestamp { current.withLock { $0 } }
  func uptime() -> Duration { .microseconds(now().microseconds) }
  func advance(_ duration: Duration) { current.withLock { $0 = $0 + duration } }
}

/// Identity on a fresh database, called without a socket.
struct IdentityHarness: Sendable {
  static let masterKeyText = String(repeating: "ab", count: 32)
  let time: MovableTime
  let pool: PostgresPool
  let identity: IdentityService
  let router: Router
  static let password = "correct horse battery"

  init(withAdministrator: Bool = true) async throws {
    try await self.init(url: try PrivatePostgres.database(), time: MovableTime(), withAdministrator: withAdministrator)
  }

  /// A second replica has the same URL.
  init(url: String, time: MovableTime, withAdministrator: Bool, masterKey: String = masterKeyText) async throws {
    self.time = time
    pool = PostgresPool(
      PostgresConfiguration(url: url, connectionsMax: 6), time: SystemTime(), logger: .silent)
    try await Migrator(pool: pool, migrations: IdentityMigrations.all, logger: .silent).run()
    identity = IdentityService(
      issuer: "https://admin.example.org", pool: pool, masterKey: try MasterKey(text: masterKey),
      blocking: BlockingPool(name: "passwords", threads: 2, queueLimit: 32), time: time, random: SystemRandom(),
      logger: .silent)
    try await identity.prepare()
    router = Router(identity.routes, authorizer: identity.authorizer)
    if withAdministrator {
      _ = try await identity.createFirstAdministrator(login: "admin", password: Self.password)
    }
  }

  var url: String { pool.configuration.url }

  func send(
    _ method: HTTPMethod, _ path: String, token: String? = nil, headers: HeaderFields = [:], body: String = ""
  ) async throws -> Answer {
    var headers = headers
    if let token { headers["Authorization"] = "Bearer \(token)" }
    let request = try Request.make(method, path, headers: headers, body: Array(body.utf8))
    let response = await router.respond(to: request)
    return Answer(response)
  }

  func form(_ path: String, _ body: String, basic: String? = nil, headers: HeaderFields = [:]) async throws -> Answer {
    var headers = headers
    if headers["Content-Type"] == nil { headers["Content-Type"] = "application/x-www-form-urlencoded" }
    if let basic { headers["Authorization"] = "Basic " + Base64.standard.encode(Array(basic.utf8)) }
    return try await send(.post, path, headers: headers, body: body)
  }

  func login(_ login: String = "admin", _ password: String = password) async throws -> Answer {
    let body = JSONWriter.document { json in
      json.object { json in
        json.member("login", login)
        json.member("password", password)
      }
    }
    return try await send(.post, "/api/v1/auth/login", body: String(decoding: body, as: UTF8.self))
  }

  func adminToken() async throws -> String { try #require(try await login()["access_token"]) }

  func account(_ scopes: String = #"["files:read","files:write"]"#, name: String = "scanner") async throws -> Answer {
    try await send(
      .post, "/api/v1/service-accounts", token: try await adminToken(),
      body: #"{"name":"\#(name)","scopes":\#(scopes)}"#)
  }
}

/// A response, read.
struct Answer {
  let status: Int
  let headers: HeaderFields
  let text: String
  let json: [String: JSONValue]

  init(_ response: Response) {
    status = response.status.rawValue
    headers = response.headers
    let bytes: [UInt8] = if case .bytes(let bytes) = response.body { bytes } else { [] }
    text = String(decoding: bytes, as: UTF8.self)
    if case .object(let members)? = try? JSON.decode(JSONValue.self, from: bytes) {
      json = members
    } else {
      json = [:]
    }
  }

  /// A text member, one level or two (`error.code`).
  subscript(_ path: String) -> String? {
    var value: JSONValue = .object(json)
    for part in path.split(separator: ".") {
      guard case .object(let members) = value, let next = members[String(part)] else { return nil }
      value = next
    }
    return if case .string(let text) = value { text } else { nil }
  }
}
