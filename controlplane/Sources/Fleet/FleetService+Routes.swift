internal import JWT
internal import Catalogue
internal import Core
internal import HTTP
public import HTTPServer
internal import Identity
internal import StorageAPI

extension FleetService {
  /// `/api/v1/storage-elements` and `/api/v1/files` of the admin API.
  public func routes() -> [Route] {
    StorageElementRoutes(registry: registry).routes + TrustAdminRoutes(registry: registry).routes
      + FileRegistryRoutes(registry: registry, files: files).routes + AuditVerifyRoute(fleet: self).routes
  }
}

/// `/api/v1/storage-elements`: request → `FleetRegistry` → answer.
struct StorageElementRoutes: Sendable {
  let registry: FleetRegistry

  var routes: [Route] {
    let base = "/api/v1/storage-elements"
    return [
      Route(.get, base, .scope(.storageRead), list),
      Route(.post, base, .scope(.storageWrite), claim),
      Route(.post, "\(base)/discover", .scope(.storageWrite), discover),
      Route(.get, "\(base)/{id}", .scope(.storageRead)) { request in
        Self.answer(.ok, try await registry.view(try request.id()))
      },
      Route(.put, "\(base)/{id}", .scope(.storageWrite), update),
      Route(.delete, "\(base)/{id}", .scope(.storageWrite)) { request in
        let force = try request.flag("force")
        try await registry.remove(try request.id(), force: force, by: request.actor)
        return .empty(.noContent)
      },
      Route(.post, "\(base)/{id}/sync", .scope(.storageWrite), sync),
      Route(.post, "\(base)/{id}/mode", .scope(.storageWrite), mode),
      Route(.post, "\(base)/{id}/accept-loss", .scope(.storageWrite)) { request in
        try await answer(.ok, try await registry.acceptLoss(try request.id(), by: request.actor))
      },
      Route(.get, "\(base)/{id}/health", .scope(.storageRead), health),
    ]
  }

  @Sendable private func list(_ request: Request) async throws -> Response {
    let list = try ListRequest(request, filters: ["mode", "status"])
    let mode = try Self.choice("mode", ApplianceMode.self, in: list)
    let status = try Self.choice("status", StorageElementStatus.self, in: list)
    let all = try await registry.list(mode: mode, status: status)
    let views = try await registry.views(all)
    return try list.page("elements", views, key: \.element.placeInList) { json, view in json.value(view) }
  }

  private struct ClaimBody: Decodable {
    var name: String
    var url: String
    /// None: it is of this fleet and only the registry does not know it.
    var claimCode: String?
    var priority: Int?

    enum CodingKeys: String, CodingKey, CaseIterable {
      case name, url, priority
      case claimCode = "claim_code"
    }
  }

  @Sendable private func claim(_ request: Request) async throws -> Response {
    let body = try await request.strictJSON(ClaimBody.self, keys: ClaimBody.CodingKeys.self)
    let priority = body.priority ?? 100
    let element =
      if let code = body.claimCode {
        try await registry.claim(name: body.name, url: body.url, code: code, priority: priority, by: request.actor)
      } else {
        try await registry.register(name: body.name, url: body.url, priority: priority, by: request.actor)
      }
    return try await answer(.created, element)
  }

  private struct DiscoverBody: Decodable {
    var url: String
    enum CodingKeys: String, CodingKey, CaseIterable { case url }
  }

  @Sendable private func discover(_ request: Request) async throws -> Response {
    let body = try await request.strictJSON(DiscoverBody.self, keys: DiscoverBody.CodingKeys.self)
    let seen = try await registry.discover(url: body.url)
    return .json { json in
      json.member("url", seen.url)
      json.member("storage_id", seen.storageID)
      json.member("version", seen.version)
      json.member("mode", seen.mode.rawValue)
      json.member("key_sha256", seen.spki.description)
      json.member("claimed", seen.isClaimed)
      json.key("storage_element")
      if let known = seen.known { json.value(known) } else { json.null() }
    }
  }

  private struct UpdateBody: Decodable {
    var name: String?
    var url: String?
    var priority: Int?
    var syncBytesPerSecond: Int?
    enum CodingKeys: String, CodingKey, CaseIterable {
      case name, url, priority
      case syncBytesPerSecond = "sync_bytes_per_second"
    }
  }

  @Sendable private func update(_ request: Request) async throws -> Response {
    let body = try await request.strictJSON(UpdateBody.self, keys: UpdateBody.CodingKeys.self)
    let element = try await registry.update(
      try request.id(), name: body.name, url: body.url, priority: body.priority,
      syncBytesPerSecond: body.syncBytesPerSecond, by: request.actor)
    return try await answer(.ok, element)
  }

  private struct ModeBody: Decodable {
    var targetMode: ApplianceMode
    var confirm: Bool?

    enum CodingKeys: String, CodingKey, CaseIterable {
      case confirm
      case targetMode = "target_mode"
    }
  }

  @Sendable private func mode(_ request: Request) async throws -> Response {
    let body = try await request.strictJSON(ModeBody.self, keys: ModeBody.CodingKeys.self)
    let answer = try await registry.mode(
      try request.id(), to: body.targetMode, confirm: body.confirm ?? false, by: request.actor)
    return try .json(.ok, answer)
  }

  @Sendable private func sync(_ request: Request) async throws -> Response {
    let full = try request.flag("full")
    let (element, report) = try await registry.sync(try request.id(), full: full, by: request.actor)
    let view = try await registry.views([element])[0]
    return .json { json in
      json.key("storage_element")
      json.value(view)
      json.key("file_sync")
      json.value(report)
    }
  }

  @Sendable private func health(_ request: Request) async throws -> Response {
    let element = try await registry.get(try request.id())
    let limit = try ListRequest.integer("limit", in: request.query, range: 1...1000) ?? 100
    let samples = try await registry.health(element.id, limit: limit)
    let trend = try await registry.capacityTrend(element.id)
    let share = try await registry.answeredShare(element.id)
    return .json { json in
      json.key("days_to_full")
      json.value(trend.daysToFull)
      json.key("answered_share")
      json.value(share)
      json.key("trend")
      json.value(trend)
      json.key("items")
      json.array { json in
        for sample in samples {
          json.object { json in
            json.member("checked_at", sample.checkedAt)
            json.member("status", sample.status.rawValue)
            json.member("used_bytes", sample.usedBytes)
            json.member("available_bytes", sample.availableBytes)
            json.member("round_trip_ms", sample.roundTripMilliseconds)
            json.key("clock_offset_ms")
            if let offset = sample.clockOffsetMilliseconds { json.integer(offset) } else { json.null() }
            json.key("error")
            if let error = sample.error { json.string(error) } else { json.null() }
          }
        }
      }
    }
  }

  private static func answer(_ status: HTTPStatus, _ view: StorageElementView) -> Response {
    .json(status, bytes: JSONWriter.document { $0.value(view) })
  }

  private func answer(_ status: HTTPStatus, _ element: StorageElement) async throws -> Response {
    Self.answer(status, try await registry.views([element])[0])
  }

  static func choice<T: RawRepresentable & CaseIterable>(
    _ name: String, _ type: T.Type, in list: ListRequest
  ) throws(APIError) -> T? where T.RawValue == String {
    guard let text = list.text(name) else { return nil }
    guard let value = T(rawValue: text) else {
      let known = T.allCases.map(\.rawValue).joined(separator: ", ")
      throw APIError(.validation, "\(name): must be one of \(known)")
    }
    return value
  }
}

extension StorageElement {
  /// By priority, then name, then id.
  fileprivate var placeInList: String {
    let digits = String(priority)
    return String(repeating: "0", count: max(0, 6 - digits.count)) + digits + "\u{1}\(name)\u{1}\(id)"
  }
}

extension JSONWriter {
  /// The contract's `file_sync`.
  mutating func value(_ report: SyncReport) {
    object { json in
      json.member("kind", report.kind.rawValue)
      json.member("added", report.added)
      json.member("updated", report.updated)
      json.member("deleted", report.deleted)
      json.member("unchanged", report.unchanged)
      json.member("missing", report.missing)
      json.member("rejected", report.rejected)
      json.member("held", report.isHeld)
      json.key("digest")
      if let digest = report.digest { json.string(digest.rawValue) } else { json.null() }
      json.key("duration")
      json.number(report.duration.inSeconds)
    }
  }
}
