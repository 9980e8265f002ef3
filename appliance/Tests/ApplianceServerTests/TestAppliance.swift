import ApplianceServer
import Core
import Crypto
import Disk
import Glibc
import HTTP
import HTTPServer
import JWT
import StorageAPI
import Store
import Synchronization
import Telemetry
import TestKit

/// An appliance without sockets: a real store in a directory of its own, requests handed to its routers.
final class TestAppliance: Sendable {
  let directory: TemporaryDirectory
  let store: Store
  let state: StateDirectory
  let onboarding: Onboarding
  let appliance: Appliance
  let time: ManualTime
  let maintenance = TestMaintenance()

  /// One RSA key for all tests: making one takes 100 ms.
  static let tokens: TestTokens = {
    do { return try TestTokens(time: ManualTime()) } catch { fatalError("no RSA key: \(error)") }
  }()
  static let fleet: TestFleet = {
    do { return try TestFleet(time: ManualTime()) } catch { fatalError("no fleet: \(error)") }
  }()

  static let fileBytesMax = 300_000

  init(mode: ApplianceMode = .edit, isClaimed: Bool = true, capacity: Int? = nil) throws {
    directory = try TemporaryDirectory("front")
    time = ManualTime()
    let disk = RealDisk()
    var configuration = StoreConfiguration(
      dataDirectory: directory.file("data"), journalDirectory: directory.file("wal"),
      indexDirectory: directory.file("index"), initialMode: mode)
    configuration.fileBytesMax = Self.fileBytesMax
    configuration.capacityLimitBytes = capacity
    configuration.headroomBytes = capacity == nil ? nil : 0
    for path in [configuration.dataDirectory, configuration.journalDirectory, configuration.indexDirectory] {
      try disk.makeDirectories(path)
    }
    store = try Store.open(configuration, disk: disk, time: time, random: SystemRandom())
    state = try StateDirectory(dataDirectory: configuration.dataDirectory, disk: disk)
    let identity = try ApplianceIdentity.open(
      state, storageID: store.storageID, time: time, random: SystemRandom())
    let trust =
      isClaimed
      ? Trust(
        state, storageID: store.storageID, time: time, clientCA: Self.fleet.authorityPEM, keys: Self.tokens.keySet)
      : try Trust(state, storageID: store.storageID, time: time)
    onboarding = try Onboarding(
      state, identity: identity, trust: trust, storageID: store.storageID, time: time, random: SystemRandom(),
      logger: .silent)
    appliance = Appliance(
      store: store, maintenance: maintenance, onboarding: onboarding, fileBytesMax: Self.fileBytesMax, time: time,
      random: SystemRandom(), logger: .silent, metrics: MetricsRegistry())
  }

  deinit { store.close() }

  var audience: String { "storage:\(store.storageID)" }

  func token(
    _ scopes: Set<Scope>, role: AdminRole? = nil, audience: String? = nil, actsFor: String? = nil
  ) throws -> String {
    try Self.tokens.mint(
      subject: "artstore://ingester/test", audience: audience ?? self.audience, scopes: scopes, role: role,
      actsFor: actsFor, lifetime: .seconds(300))
  }

  /// A call as an ingester with every scope, unless told otherwise.
  func call(
    _ method: HTTPMethod, _ target: String, headers: HeaderFields = [:], body: [UInt8] = [],
    peer: PeerRole? = .ingester, scopes: Set<Scope>? = Set(Scope.allCases), token: String? = nil
  ) async throws -> Answer {
    var headers = headers
    if let token = try token ?? scopes.map({ try self.token($0) }) { headers["Authorization"] = "Bearer \(token)" }
    let request = try Request.make(
      method, target, headers: headers, body: body, peer: peer.flatMap { PeerIdentity(role: $0, name: "test") },
      peerSPKI: peer.map { SHA256.digest(Array($0.rawValue.utf8)) })
    return try await Answer(appliance.api.respond(to: request), isHead: method == .head)
  }

  /// Uploads a small document and gives its record.
  @discardableResult
  func upload(
    _ bytes: [UInt8], name: String = "note.txt", fields: [(String, String)] = [], peer: PeerRole = .ingester
  ) async throws -> Answer {
    let form = Form(fields: fields, file: (name, bytes))
    return try await call(.post, "/api/v1/files/upload", headers: form.headers, body: form.bytes, peer: peer)
  }

  /// Names of what lies below a directory of the store, attributes left out.
  func documents(in folder: String) throws -> [String] {
    try Self.walk(directory.file("data/\(folder)"), RealDisk()).filter { !$0.hasSuffix(".attr.json") }
  }

  private static func walk(_ path: String, _ disk: RealDisk) throws -> [String] {
    guard try disk.stat(path) != nil else { return [] }
    return try disk.list(path).flatMap { entry in
      entry.kind == .directory ? try walk("\(path)/\(entry.name)", disk) : [entry.name]
    }
  }
}

/// An answer with its body in memory.
struct Answer {
  let status: Int
  let headers: HeaderFields
  let body: [UInt8]

  init(_ response: Response, isHead: Bool = false) async throws {
    status = response.status.rawValue
    headers = response.headers
    switch response.body {
    case .empty: body = []
    case .bytes(let bytes): body = bytes
    case .file(let slice): body = isHead ? [] : CollectingWriter.read(slice)
    case .stream(let length, let write):
      let writer = CollectingWriter()
      try await write(writer)
      body = writer.bytes
      if let length { precondition(length == body.count, "announced \(length) bytes, wrote \(body.count)") }
    }
  }

  var text: String { String(decoding: body, as: UTF8.self) }

  func json() throws -> [String: JSONValue] { try JSON.decode([String: JSONValue].self, from: body) }

  func record() throws -> FileRecord { try JSON.decode(FileRecord.self, from: body) }

  /// The contract's error code and message; empty when the answer is no error.
  var error: (code: String, message: String) {
    guard let json = try? json(), case .object(let error)? = json["error"], case .string(let code)? = error["code"],
      case .string(let message)? = error["message"]
    else { return ("", "") }
    return (code, message)
  }
}

final class CollectingWriter: BodyWriter {
  private let held = Mutex<[UInt8]>([])
  var bytes: [UInt8] { held.withLock { $0 } }

  func write(_ bytes: [UInt8]) async throws { held.withLock { $0 += bytes } }
  func write(_ file: FileSlice) async throws { held.withLock { $0 += Self.read(file) } }
  func flush() async throws {}

  static func read(_ slice: FileSlice) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: slice.count) { buffer, filled in
      filled = max(0, pread(slice.file.descriptor, buffer.baseAddress, slice.count, slice.offset))
    }
  }
}

/// A `multipart/form-data` body. `fields` stand before the file, `late` after it.
struct Form {
  var fields: [(String, String)] = []
  var file: (name: String, bytes: [UInt8])?
  var late: [(String, String)] = []
  var partHeaders = ""
  static let boundary = "test-boundary-7d1"

  var headers: HeaderFields { ["Content-Type": "multipart/form-data; boundary=\(Self.boundary)"] }

  var bytes: [UInt8] {
    var out: [UInt8] = []
    func field(_ name: String, _ value: String) {
      out += Array("--\(Self.boundary)\r\nContent-Disposition: form-data; name=\"\(name)\"\r\n\r\n\(value)\r\n".utf8)
    }
    for (name, value) in fields { field(name, value) }
    if let file {
      let head =
        "--\(Self.boundary)\r\nContent-Disposition: form-data; name=\"file\"; filename=\"\(file.name)\"\r\n"
        + "Content-Type: text/plain\r\n\(partHeaders)\r\n"
      out += Array(head.utf8) + file.bytes + Array("\r\n".utf8)
    }
    for (name, value) in late { field(name, value) }
    return out + Array("--\(Self.boundary)--\r\n".utf8)
  }
}

/// Maintenance whose runs end when the test says so.
final class TestMaintenance: Maintenance {
  let state = Mutex<MaintenanceState>(.done(Array(#"{"files_checked":0}"#.utf8)))
  let known = "a1b2c3d4"

  func start(_ kind: MaintenanceKind, wait: Duration) async throws(APIError) -> MaintenanceState {
    state.withLock { $0 }
  }

  func run(_ id: String) -> MaintenanceState? { id == known ? state.withLock { $0 } : nil }

  var tasks: [ApplianceInfo.Task] { [ApplianceInfo.Task(name: "gc", lastRun: nil, lastResult: nil, nextRun: nil)] }

  let paused = Mutex(false)
  var isPaused: Bool { paused.withLock { $0 } }

  var scrub: ApplianceInfo.Scrub {
    .init(verifiedRatio: 0.5, windowDays: 30, oldestSeconds: 86_400, lastPassEnded: nil, underway: true)
  }

  var isRunning: Bool { false }
}
