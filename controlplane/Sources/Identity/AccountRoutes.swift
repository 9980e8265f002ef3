internal import Core
internal import HTTP
internal import HTTPServer
internal import JWT

/// `/api/v1/admin-users` and `/api/v1/service-accounts`.
struct AccountRoutes: Sendable {
  let identity: IdentityService

  var routes: [Route] { administratorRoutes + serviceAccountRoutes }

  private var administratorRoutes: [Route] {
    let administrators = identity.administrators
    let base = "/api/v1/admin-users"
    return [
      Route(.get, base, .scope(.adminRead)) { request in
        let list = try ListRequest(request)
        let page = try await administrators.list(limit: list.limit, offset: list.offset, after: list.after)
        return try list.answer(page.items, total: page.total) { $0.login.lowercased() }
      },
      Route(.post, base, .scope(.adminWrite)) { request in
        let draft = try await request.strictJSON(AdministratorDraft.self, keys: AdministratorDraft.CodingKeys.self)
        let made = try await administrators.create(draft, by: request.actor)
        return SessionRoutes.uncached(try .json(.created, made))
      },
      Route(.post, "\(base)/me/change-password", .anyToken, bodyLimit: 4096, changePassword),
      Route(.get, "\(base)/{id}", .scope(.adminRead)) { request in
        try .json(.ok, try await administrators.get(try request.id()))
      },
      Route(.put, "\(base)/{id}", .scope(.adminWrite)) { request in
        let patch = try await request.strictJSON(AdministratorPatch.self, keys: AdministratorPatch.CodingKeys.self)
        return try .json(.ok, try await administrators.update(try request.id(), patch, by: request.actor))
      },
      Route(.delete, "\(base)/{id}", .scope(.adminWrite)) { request in
        try await administrators.delete(try request.id(), by: request.actor)
        return .empty(.noContent)
      },
      Route(.post, "\(base)/{id}/reset-password", .scope(.adminWrite)) { request in
        let made = try await administrators.resetPassword(try request.id(), by: request.actor)
        return SessionRoutes.uncached(try .json(.ok, made))
      },
      Route(.post, "\(base)/{id}/unlock", .scope(.adminWrite)) { request in
        try .json(.ok, try await administrators.unlock(try request.id(), by: request.actor))
      },
    ]
  }

  private var serviceAccountRoutes: [Route] {
    let accounts = identity.serviceAccounts
    let base = "/api/v1/service-accounts"
    return [
      Route(.get, base, .scope(.adminRead)) { request in
        let list = try ListRequest(request)
        let page = try await accounts.list(limit: list.limit, offset: list.offset, after: list.after)
        return try list.answer(page.items, total: page.total) { $0.name.lowercased() }
      },
      Route(.post, base, .scope(.adminWrite)) { request in
        let draft = try await request.strictJSON(ServiceAccountDraft.self, keys: ServiceAccountDraft.CodingKeys.self)
        let made = try await accounts.create(draft, by: request.actor)
        return SessionRoutes.uncached(try .json(.created, made))
      },
      Route(.get, "\(base)/{id}", .scope(.adminRead)) { request in
        try .json(.ok, try await accounts.get(try request.id()))
      },
      Route(.put, "\(base)/{id}", .scope(.adminWrite)) { request in
        let patch = try await request.strictJSON(ServiceAccountPatch.self, keys: ServiceAccountPatch.CodingKeys.self)
        return try .json(.ok, try await accounts.update(try request.id(), patch, by: request.actor))
      },
      Route(.delete, "\(base)/{id}", .scope(.adminWrite)) { request in
        try await accounts.delete(try request.id(), by: request.actor)
        return .empty(.noContent)
      },
      Route(.post, "\(base)/{id}/rotate-secret", .scope(.adminWrite), bodyLimit: 4096, rotateSecret),
    ]
  }

  private struct PasswordBody: Decodable {
    var oldPassword: String
    var newPassword: String

    enum CodingKeys: String, CodingKey, CaseIterable {
      case oldPassword = "old_password"
      case newPassword = "new_password"
    }
  }

  private struct RotateBody: Decodable {
    var secretDays: Int?
    var endOld: Bool?

    enum CodingKeys: String, CodingKey, CaseIterable {
      case secretDays = "secret_days"
      case endOld = "end_old"
    }
  }

  @Sendable private func changePassword(_ request: Request) async throws -> Response {
    let body = try await request.strictJSON(PasswordBody.self, keys: PasswordBody.CodingKeys.self)
    try await identity.administrators.changePassword(
      login: request.principal.subject, old: body.oldPassword, new: body.newPassword, by: request.actor)
    return .empty(.noContent)
  }

  @Sendable private func rotateSecret(_ request: Request) async throws -> Response {
    let hasBody = request.head.hasBody && request.body.declaredLength != 0
    let body = hasBody ? try await request.strictJSON(RotateBody.self, keys: RotateBody.CodingKeys.self) : nil
    let made = try await identity.serviceAccounts.rotateSecret(
      try request.id(), days: body?.secretDays, endOld: body?.endOld ?? false, by: request.actor)
    return SessionRoutes.uncached(try .json(.ok, made))
  }
}
