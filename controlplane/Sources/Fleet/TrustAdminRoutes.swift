internal import Core
internal import HTTP
internal import HTTPServer
internal import Identity
internal import JWT

/// `/api/v1/local-clients`, `/api/v1/revocations` and the revocation of an appliance.
struct TrustAdminRoutes: Sendable {
  let registry: FleetRegistry

  var routes: [Route] {
    let locals = "/api/v1/local-clients"
    return [
      Route(.get, locals, .scope(.adminRead)) { request in
        let list = try ListRequest(request)
        let all = try await registry.localClients()
        return try list.page("clients", all, key: \.name) { json, entry in json.value(entry) }
      },
      Route(.post, locals, .scope(.adminWrite), bodyLimit: 65_536, add),
      Route(.get, "\(locals)/{id}", .scope(.adminRead)) { request in
        let entry = try await registry.localClient(try request.id())
        return .json(bytes: JSONWriter.document { $0.value(entry) })
      },
      Route(.post, "\(locals)/{id}/renew", .scope(.adminWrite), bodyLimit: 4096, renew),
      Route(.delete, "\(locals)/{id}", .scope(.adminWrite)) { request in
        try await registry.removeLocalClient(
          try request.id(), reason: "the local client was deleted", by: request.actor)
        return .empty(.noContent)
      },
      Route(.get, "/api/v1/revocations", .scope(.adminRead)) { request in
        let list = try ListRequest(request)
        let all = try await registry.revocations()
        return try list.page("keys", all, key: \.newestFirst) { json, key in json.value(key) }
      },
      Route(.post, "/api/v1/revocations", .scope(.adminWrite), bodyLimit: 65_536, revoke),
      Route(.post, "/api/v1/storage-elements/{id}/revoke", .scope(.storageWrite), bodyLimit: 4096) { request in
        let body = try await request.strictJSON(ReasonBody.self, keys: ReasonBody.CodingKeys.self)
        let view = try await registry.revoke(element: try request.id(), reason: body.reason, by: request.actor)
        return .json(bytes: JSONWriter.document { $0.value(view) })
      },
    ]
  }

  private struct AddBody: Decodable {
    var name: String
    var csr: String
    var scopes: [String]
    var elements: [FileID]
    var days: Int?

    enum CodingKeys: String, CodingKey, CaseIterable {
      case name, csr, scopes, days
      case elements = "storage_element_ids"
    }
  }

  @Sendable private func add(_ request: Request) async throws -> Response {
    let body = try await request.strictJSON(AddBody.self, keys: AddBody.CodingKeys.self)
    let draft = LocalClientDraft(
      name: body.name, csr: body.csr, scopes: body.scopes, elements: body.elements, days: body.days ?? 45)
    let made = try await registry.addLocalClient(draft, by: request.actor)
    return .json(.created, bytes: JSONWriter.document { $0.value(made.entry, certificate: made.certificate) })
  }

  private struct RenewBody: Decodable {
    var days: Int?
    enum CodingKeys: String, CodingKey, CaseIterable { case days }
  }

  @Sendable private func renew(_ request: Request) async throws -> Response {
    let hasBody = request.head.hasBody && request.body.declaredLength != 0
    let body = hasBody ? try await request.strictJSON(RenewBody.self, keys: RenewBody.CodingKeys.self) : nil
    let made = try await registry.renewLocalClient(try request.id(), days: body?.days ?? 45, by: request.actor)
    return .json(bytes: JSONWriter.document { $0.value(made.entry, certificate: made.certificate) })
  }

  private struct ReasonBody: Decodable {
    var reason: String
    enum CodingKeys: String, CodingKey, CaseIterable { case reason }
  }

  private struct RevokeBody: Decodable {
    var reason: String
    var certificate: String?
    var keySHA256: String?

    enum CodingKeys: String, CodingKey, CaseIterable {
      case reason, certificate
      case keySHA256 = "key_sha256"
    }
  }

  @Sendable private func revoke(_ request: Request) async throws -> Response {
    let body = try await request.strictJSON(RevokeBody.self, keys: RevokeBody.CodingKeys.self)
    try await registry.revoke(
      certificate: body.certificate, keySHA256: body.keySHA256, reason: body.reason, by: request.actor)
    return .empty(.noContent)
  }
}

extension ListRequest {
  /// A page of a list that is whole in memory: hundreds at most. `list` names it in its cursors.
  func page<Item>(
    _ list: String, _ all: [Item], key: (Item) -> String, write: (inout JSONWriter, Item) -> Void
  ) throws(APIError) -> Response {
    let prefix = "\(list)\u{1}"
    if let after, !after.hasPrefix(prefix) {
      // An empty page would look like the end of the list.
      throw APIError(.validation, "cursor: not one of this list's; begin again without it")
    }
    let items = Self.rest(of: all, after: after?.dropFirst(prefix.count).description, offset: offset, key: key)
    return answer(Array(items.prefix(limit)), total: all.count, key: { prefix + key($0) }, write: write)
  }

  /// What follows, in the order of `key`, which is what a cursor holds: it stays good when what it was made of is gone.
  static func rest<Item>(of all: [Item], after: String?, offset: Int, key: (Item) -> String) -> [Item] {
    var keyed = all.map { (key: key($0), item: $0) }
    keyed.sort { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
    guard let after else { return keyed.dropFirst(offset).map(\.item) }
    return keyed.drop { !after.utf8.lexicographicallyPrecedes($0.key.utf8) }.map(\.item)
  }
}

extension RevokedKey {
  /// Its place in a list, the newest first: what is left of the far end of time, in digits of one length.
  fileprivate var newestFirst: String {
    let left = String(Int64.max - max(0, revokedAt.microseconds))
    return String(repeating: "0", count: max(0, 19 - left.count)) + left + spki.description
  }
}

extension JSONWriter {
  fileprivate mutating func value(_ entry: LocalClientEntry, certificate: String? = nil) {
    object { json in
      json.member("id", entry.id.description)
      json.member("name", entry.name)
      json.member("identity", entry.identity)
      json.member("key_sha256", entry.spki.description)
      json.key("scopes")
      json.array { json in for scope in entry.scopes.map(\.rawValue).sorted() { json.string(scope) } }
      json.key("storage_element_ids")
      json.array { json in for id in entry.elements { json.string(id.description) } }
      json.member("expires_at", entry.expiresAt)
      json.member("created_by", entry.createdBy)
      json.member("created_at", entry.createdAt)
      json.member("renewed_at", entry.renewedAt)
      if let certificate { json.member("certificate", certificate) }
    }
  }

  fileprivate mutating func value(_ key: RevokedKey) {
    object { json in
      json.member("key_sha256", key.spki.description)
      json.member("subject", key.subject)
      json.member("reason", key.reason)
      json.member("revoked_by", key.revokedBy)
      json.member("revoked_at", key.revokedAt)
    }
  }
}
