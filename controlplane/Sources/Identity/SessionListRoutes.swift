internal import Core
internal import HTTP
internal import HTTPServer
internal import JWT

/// Sessions of oneself (`/api/v1/auth/sessions`) and of others (`/api/v1/admin-users/{id}/sessions`).
struct SessionListRoutes: Sendable {
  let identity: IdentityService

  var routes: [Route] {
    let sessions = identity.sessions
    let administrators = identity.administrators
    let own = SessionRoutes(identity: identity)
    return [
      Route(.get, "/api/v1/auth/sessions", .anyToken) { request in
        try await page(request, of: try await own.administrator(request))
      },
      Route(.delete, "/api/v1/auth/sessions/{id}", .anyToken) { request in
        try await sessions.end(try request.id(), of: try await own.administrator(request), by: request.actor)
        return .empty(.noContent)
      },
      Route(.get, "/api/v1/admin-users/{id}/sessions", .scope(.adminRead)) { request in
        try await page(request, of: try await administrators.get(try request.id()))
      },
      Route(.delete, "/api/v1/admin-users/{id}/sessions", .scope(.adminWrite)) { request in
        try await sessions.endAll(of: try await administrators.get(try request.id()), by: request.actor)
        return .empty(.noContent)
      },
    ]
  }

  private func page(_ request: Request, of administrator: Administrator) async throws -> Response {
    let list = try ListRequest(request)
    let page = try await identity.sessions.list(
      of: administrator.id, limit: list.limit, offset: list.offset, before: list.after)
    return try list.answer(page.items, total: page.total) { $0.id.description }
  }
}
