public import Catalogue
public import Core
internal import Crypto
internal import HTTP
public import Identity
internal import Postgres
public import StorageAPI
internal import Synchronization

/// What administrators do with the fleet, for the admin API and the console alike. Errors are `APIError`s fit for a
/// client; each act is audited.
public final class FleetRegistry: Sendable {
  let pool: PostgresPool
  let elements: StorageElementTable
  let files: FileCatalogue
  let access: ApplianceAccess
  let authority: FleetAuthority
  let revoked: RevokedKeys
  let locals: LocalClientTable
  let health: FleetHealth
  let sync: FleetSync
  let audit: Audit
  let configuration: FleetConfiguration
  let time: any TimeSource
  let random: any RandomSource
  private let pokeSync = Mutex<(@Sendable () -> Void)?>(nil)

  init(
    pool: PostgresPool, elements: StorageElementTable, files: FileCatalogue, access: ApplianceAccess,
    authority: FleetAuthority, revoked: RevokedKeys, locals: LocalClientTable, health: FleetHealth, sync: FleetSync,
    audit: Audit, configuration: FleetConfiguration, time: any TimeSource,
    random: any RandomSource
  ) {
    self.pool = pool
    self.elements = elements
    self.files = files
    self.access = access
    self.authority = authority
    self.revoked = revoked
    self.locals = locals
    self.health = health
    self.sync = sync
    self.audit = audit
    self.configuration = configuration
    self.time = time
    self.random = random
  }

  func pokes(sync: @escaping @Sendable () -> Void) { pokeSync.withLock { $0 = sync } }

  /// Has the periodic sync run soon, where this process has one.
  func syncSoon() { pokeSync.withLock { $0 }?() }

  /// All storage elements that match, by priority, then name.
  public func list(
    mode: ApplianceMode? = nil, status: StorageElementStatus? = nil
  ) async throws -> [StorageElement] { try await elements.list(mode: mode, status: status) }

  /// Throws `NOT_FOUND`.
  public func get(_ id: FileID) async throws -> StorageElement {
    guard let element = try await elements.element(id) else {
      throw APIError(.notFound, "there is no storage element \(id); list them to see which there are")
    }
    return element
  }

  /// The newest polls first.
  public func health(_ id: FileID, limit: Int = 100) async throws -> [HealthSample] {
    try await elements.health(id, limit: limit)
  }

  /// How it fills, and when it will be full at the pace of the last month.
  public func capacityTrend(_ id: FileID) async throws -> CapacityTrend { try await elements.capacityTrend(id) }

  /// The share of polls that it answered in the last two days; nil when there was none.
  public func answeredShare(_ id: FileID) async throws -> Double? { try await elements.answeredShare(id) }

  /// Changes what an administrator may change; nil leaves it as it is. `syncBytesPerSecond` bounds how fast syncs read
  /// from it, 0 ends the bound.
  public func update(
    _ id: FileID, name: String? = nil, url: String? = nil, priority: Int? = nil, syncBytesPerSecond: Int? = nil,
    by actor: Actor
  ) async throws -> StorageElement {
    if let name { try Self.check(name: name) }
    if let priority { try Self.check(priority: priority) }
    if let rate = syncBytesPerSecond {
      guard rate == 0 || (StorageElementTable.syncRates).contains(rate) else {
        throw APIError(
          .validation, "sync_bytes_per_second: a whole number from 1024 to 10^12 is needed, or 0 for no bound")
      }
    }
    let address = try url.map { (text) throws(APIError) in try ApplianceURL(text).text }
    do {
      if let rate = syncBytesPerSecond {
        try await elements.setSyncRate(id, bytesPerSecond: rate == 0 ? nil : rate)
      }
      guard let element = try await elements.update(id, name: name, url: address, priority: priority) else {
        throw APIError(.notFound, "there is no storage element \(id)")
      }
      try await record(actor, "storage_element.update", id.description)
      return element
    } catch let error as PostgresError where error.isUniqueViolation {
      throw Self.taken(error)
    }
  }

  /// Changes an appliance's mode; `CONFIRMATION_REQUIRED` and `INVALID_TRANSITION` as the appliance says.
  public func mode(
    _ id: FileID, to target: ApplianceMode, confirm: Bool, by actor: Actor
  ) async throws -> ModeTransitionAnswer {
    let element = try await get(id)
    do {
      let answer = try await access.client(for: element).transition(
        to: target, confirm: confirm, caller: ApplianceCaller(actsFor: actor.subject))
      try await elements.setMode(id, answer.currentMode)
      try await record(actor, "storage_element.mode", id.description, details: ["to": .string(target.rawValue)])
      return answer
    } catch {
      try await record(
        actor, "storage_element.mode", id.description, result: .refused, details: ["to": .string(target.rawValue)])
      throw error
    }
  }

  /// Removes it from the fleet and forgets its files' rows; the appliance itself is not touched. `CONFLICT` while it
  /// holds active files, unless `force`.
  public func remove(_ id: FileID, force: Bool, by actor: Actor) async throws {
    _ = try await get(id)
    let active = try await files.totals(owner: id)["active"]?.files ?? 0
    guard active == 0 || force else {
      throw APIError(
        .conflict,
        "the storage element still holds \(active) active files; they would no longer be found. "
          + "Repeat with force=true if that is meant", details: ["active_files": .integer(Int64(active))])
    }
    guard try await elements.remove(id) else { throw APIError(.notFound, "there is no storage element \(id)") }
    try await record(
      actor, "storage_element.remove", id.description,
      details: ["force": .bool(force), "active_files": .integer(Int64(active))])
  }

  /// Whom to try for a new document, best first: the mode its retention asks for, healthy, with room, by priority.
  public func candidates(for policy: RetentionPolicy, size: Int?) async throws -> [StorageElement] {
    let mode: ApplianceMode = policy == .temporary ? .edit : .rw
    return try await elements.list(mode: mode).filter { element in
      (element.status == .online || element.status == .degraded) && element.availableBytes > (size ?? 0)
    }
  }

  /// The loss of documents found after a regression or an epoch change is accepted: sweeps may mark again.
  public func acceptLoss(_ id: FileID, by actor: Actor) async throws -> StorageElement {
    _ = try await get(id)
    try await sync.acceptLoss(id)
    try await record(actor, "storage_element.accept_loss", id.description)
    syncSoon()
    return try await get(id)
  }

  func record(
    _ actor: Actor, _ action: String, _ target: String, result: AuditResult = .ok, details: [String: JSONValue] = [:]
  ) async throws {
    try await audit.record(
      AuditEntry(
        actor: actor.subject, action: action, target: target, source: actor.source, result: result,
        trace: actor.trace, details: details))
  }

  static func check(name: String) throws(APIError) {
    guard (1...100).contains(name.count), !name.unicodeScalars.contains(where: { $0.value < 0x20 }) else {
      throw APIError(.validation, "name: 1–100 characters without control characters are needed")
    }
  }

  static func check(priority: Int) throws(APIError) {
    guard (0...10_000).contains(priority) else {
      throw APIError(.validation, "priority: a whole number from 0 (filled first) to 10000 is needed")
    }
  }

  static func taken(_ error: PostgresError) -> APIError {
    let field = error.constraint?.contains("url") == true ? "url" : "name"
    return APIError(.conflict, "another storage element has this \(field) already; choose another")
  }
}

/// The address of an appliance's API listener: `https://host:port`, nothing behind it.
struct ApplianceURL {
  let text: String
  let host: String

  init(_ raw: String) throws(APIError) {
    var text = raw
    while text.hasSuffix("/") { text.removeLast() }
    let refusal = APIError(.validation, "url: https://host:port is needed, without user, path or query")
    guard text.utf8.count <= 300, text.lowercased().hasPrefix("https://") else { throw refusal }
    let authority = text.dropFirst(8)
    guard !authority.isEmpty, authority.utf8.allSatisfy({ Self.isAllowed($0) }) else { throw refusal }
    let host: Substring
    if authority.hasPrefix("[") {
      guard let end = authority.firstIndex(of: "]") else { throw refusal }
      host = authority[authority.index(after: authority.startIndex)..<end]
      guard Self.isPort(authority[authority.index(after: end)...]) else { throw refusal }
    } else {
      host = authority.prefix { $0 != ":" }
      guard Self.isPort(authority.dropFirst(host.count)) else { throw refusal }
    }
    guard !host.isEmpty else { throw refusal }
    self.host = host.lowercased()
    self.text = "https://\(authority.lowercased())"
  }

  /// Empty, or a colon and 1–65535.
  private static func isPort(_ text: Substring) -> Bool {
    if text.isEmpty { return true }
    guard text.first == ":", let port = Int(text.dropFirst()) else { return false }
    return (1...65_535).contains(port)
  }

  private static func isAllowed(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: ":"),
      UInt8(ascii: "["), UInt8(ascii: "]"), UInt8(ascii: "_"):
      true
    default: false
    }
  }
}
