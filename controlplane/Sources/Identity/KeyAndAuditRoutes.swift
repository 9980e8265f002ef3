internal import Core
internal import HTTP
internal import HTTPServer
internal import JWT

/// `/api/v1/keys`, `/api/v1/audit`, `/api/v1/settings`.
struct KeyAndAuditRoutes: Sendable {
  let identity: IdentityService

  var routes: [Route] {
    [
      Route(.get, "/api/v1/keys", .scope(.adminRead), keys),
      Route(.post, "/api/v1/keys/rotate", .scope(.adminWrite), bodyLimit: 4096, rotate),
      Route(.get, "/api/v1/audit", .scope(.adminRead), list),
      Route(.get, "/api/v1/audit/export", .scope(.adminRead), export),
      Route(.get, "/api/v1/settings", .scope(.adminRead)) { _ in try .json(.ok, self.identity.settings) },
      Route(.put, "/api/v1/settings", .scope(.adminWrite), bodyLimit: 4096, changeSettings),
    ]
  }

  private struct RotateBody: Decodable {
    var immediately: Bool?

    enum CodingKeys: String, CodingKey, CaseIterable { case immediately }
  }

  @Sendable private func keys(_ request: Request) async throws -> Response {
    let status = identity.keys.status()
    let keys = try JSON.encode(status)
    return .json { json in
      json.member("algorithm", "RS256")
      json.member("rotation_hours", identity.settings.keyRotationHours)
      json.key("keys")
      json.raw(keys)
    }
  }

  @Sendable private func rotate(_ request: Request) async throws -> Response {
    let hasBody = request.head.hasBody && request.body.declaredLength != 0
    let body = hasBody ? try await request.strictJSON(RotateBody.self, keys: RotateBody.CodingKeys.self) : nil
    let atOnce = body?.immediately ?? false
    let added = try await identity.keys.rotate(atOnce: atOnce)
    try await identity.audit.record(
      request.actor.did("keys.rotate", on: added ?? "", details: ["immediately": .bool(atOnce)]))
    return try await keys(request)
  }

  private static let filters: Set<String> = ["actor", "action", "target", "result", "from", "until"]

  private static func filter(_ list: ListRequest) throws -> AuditFilter {
    var filter = AuditFilter()
    filter.actor = list.text("actor")
    filter.action = list.text("action")
    filter.target = list.text("target")
    filter.result = try list.text("result").map { text in
      guard let result = AuditResult(rawValue: text) else {
        throw APIError(.validation, "result: one of ok, refused, failed is needed")
      }
      return result
    }
    filter.from = try time("from", list)
    filter.until = try time("until", list)
    return filter
  }

  private static func time(_ name: String, _ list: ListRequest) throws -> Timestamp? {
    guard let text = list.text(name) else { return nil }
    guard let time = Timestamp(text) else {
      throw APIError(.validation, "\(name): a time like 2026-11-20T14:30:00Z is needed")
    }
    return time
  }

  @Sendable private func list(_ request: Request) async throws -> Response {
    let list = try ListRequest(request, filters: Self.filters)
    let before = try list.after.map { text in
      guard let sequence = Int64(text) else {
        throw APIError(.validation, "cursor: not one of this list's; begin again without it")
      }
      return sequence
    }
    let page = try await identity.audit.list(
      try Self.filter(list), limit: list.limit, offset: list.offset, before: before)
    return list.answer(page.items, total: page.total, key: { String($0.sequence) }) { json, record in
      record.write(to: &json)
    }
  }

  /// Oldest first, streamed in pages of 500 records: NDJSON, or CSV with `format=csv`.
  @Sendable private func export(_ request: Request) async throws -> Response {
    let list = try ListRequest(request, filters: Self.filters.union(["format"]))
    let filter = try Self.filter(list)
    let format = list.text("format") ?? "ndjson"
    guard ["csv", "ndjson"].contains(format) else { throw APIError(.validation, "format: csv or ndjson is needed") }
    let isCSV = format == "csv"
    let audit = identity.audit
    try await audit.record(request.actor.did("audit.export", details: ["format": .string(format)]))
    return Response(
      .ok,
      headers: [
        "Content-Type": isCSV ? AuditCSV.mediaType : "application/x-ndjson", "Cache-Control": "no-store",
        "Content-Disposition": "attachment; filename=\"audit.\(format)\"",
      ],
      body: .stream(length: nil) { writer in
        if isCSV { try await writer.write(AuditCSV.header) }
        var after: Int64 = 0
        while true {
          let page = try await audit.export(filter, after: after, limit: 500)
          guard let last = page.last else { return }
          try await writer.write(page.flatMap { isCSV ? AuditCSV.line($0) : Self.line($0) })
          after = last.sequence
        }
      })
  }

  private static func line(_ record: AuditRecord) -> [UInt8] {
    var json = JSONWriter(reserving: 512)
    record.write(to: &json)
    return json.bytes + [UInt8(ascii: "\n")]
  }

  @Sendable private func changeSettings(_ request: Request) async throws -> Response {
    guard case .object(let changes) = try await request.json(JSONValue.self, limit: 4096) else {
      throw APIError(.validation, "the body must be a JSON object of settings")
    }
    return try .json(.ok, try await identity.change(changes, by: request.actor))
  }
}
