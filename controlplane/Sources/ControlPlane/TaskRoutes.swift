internal import Core
internal import HTTP
internal import HTTPServer
internal import Identity
internal import JWT
internal import Service

/// `/api/v1/tasks`: what runs in the background of this process.
struct TaskRoutes: Sendable {
  let tasks: [BackgroundTask]
  let audit: Audit

  var routes: [Route] {
    [
      Route(.get, "/api/v1/tasks", .scope(.adminRead)) { request in
        let list = try ListRequest(request)
        let start = try list.after.map { after in
          guard let last = self.tasks.firstIndex(where: { $0.name == after }) else {
            throw APIError(.validation, "cursor: not one of this list's; begin again without it")
          }
          return last + 1
        }
        let page = Array(self.tasks.dropFirst(start ?? list.offset).prefix(list.limit))
        return list.answer(page.map(\.status), total: self.tasks.count, key: \.name) { json, status in
          json.value(status)
        }
      },
      Route(.post, "/api/v1/tasks/{name}/poke", .scope(.adminWrite), bodyLimit: 0) { request in
        let name = request.parameter("name")
        guard let task = self.tasks.first(where: { $0.name == name }) else {
          let known = self.tasks.map(\.name).joined(separator: ", ")
          throw APIError(.notFound, "there is no such task; there are \(known)")
        }
        try await self.audit.record(
          AuditEntry(
            actor: request.actor.subject, action: "task.poke", target: task.name, source: request.actor.source,
            trace: request.actor.trace))
        task.poke()
        return .json(.accepted) { json in
          json.member("name", task.name)
          json.member("poked", true)
        }
      },
    ]
  }
}
