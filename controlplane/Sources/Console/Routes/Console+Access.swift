internal import Core
internal import HTTP
internal import HTTPServer
internal import JWT

extension Console {
  var accessRoutes: [Route] {
    [page("/access") { visit in visit.html(try await accessPage(visit, notice: visit.notice)) }]
      + administratorRoutes + accountRoutes
  }

  var auditRoutes: [Route] {
    [
      page("/audit") { visit in
        let filter = AuditQuery { visit.request.query[$0] }
        let cursor = visit.request.query["cursor"]
        do {
          let entries = try await identity.audit(filter, cursor: cursor, limit: 50)
          return visit.html(visit.view.auditPage(entries, filter: filter, cursor: cursor))
        } catch {
          let failure = try Failure(showing: error)
          let page = visit.view.auditPage(Slice([]), filter: filter, cursor: nil, failure: failure)
          return visit.html(page, failing: failure)
        }
      }
    ]
  }

  private func accessPage(_ visit: Visit, notice: Notice? = nil, failure: Failure? = nil) async throws -> HTML {
    let access = AccessOverview(
      administrators: try await identity.administrators(), accounts: try await identity.serviceAccounts())
    return visit.view.accessPage(access, notice: notice, failure: failure)
  }

  /// A write of this page: leads back with a notice, or shows the page with what went wrong.
  private func act(
    _ path: String, _ work: @escaping @Sendable (Visit, Form) async throws -> Response
  ) -> Route {
    write(path) { visit, form in
      do {
        return try await work(visit, form)
      } catch {
        let failure = try Failure(showing: error)
        return visit.html(try await accessPage(visit, failure: failure), failing: failure)
      }
    }
  }

  private var administratorRoutes: [Route] {
    [
      act("/access/administrators") { visit, form in
        guard let role = AdminRole(rawValue: form["role"]) else { throw FormProblem(text: .badRole) }
        let secret = try await identity.createAdministrator(
          login: try form.required("login"), role: role, actor: visit.actor)
        return visit.html(visit.view.secretPage(secret, isPassword: true))
      },
      act("/access/administrators/{id}/reset-password") { visit, _ in
        let id = visit.request.parameter("id")
        let secret = try await identity.resetPassword(id, actor: visit.actor)
        try await gate.sessions.removeAll(of: id, except: nil)
        return visit.html(visit.view.secretPage(secret, isPassword: true))
      },
      act("/access/administrators/{id}/suspend") { visit, _ in
        let id = visit.request.parameter("id")
        try await identity.setAdministrator(id, suspended: true, actor: visit.actor)
        try await gate.sessions.removeAll(of: id, except: nil)
        return visit.redirect("/access", .suspended)
      },
      act("/access/administrators/{id}/resume") { visit, _ in
        try await identity.setAdministrator(visit.request.parameter("id"), suspended: false, actor: visit.actor)
        return visit.redirect("/access", .resumed)
      },
      act("/access/administrators/{id}/unlock") { visit, _ in
        try await identity.unlockAdministrator(visit.request.parameter("id"), actor: visit.actor)
        return visit.redirect("/access", .unlocked)
      },
    ]
  }

  private var accountRoutes: [Route] {
    [
      act("/access/service-accounts") { visit, form in
        let draft = ServiceAccountForm(
          name: try form.required("name"), description: form["description"],
          scopes: Scope.allCases.filter { form["scope-\($0.rawValue)"] == "yes" }.map(\.rawValue),
          secretDays: try form.integer("days", in: 0...3650))
        let secret = try await identity.createServiceAccount(draft, actor: visit.actor)
        return visit.html(visit.view.secretPage(secret, isPassword: false))
      },
      act("/access/service-accounts/{id}/rotate-secret") { visit, _ in
        let secret = try await identity.rotateSecret(visit.request.parameter("id"), actor: visit.actor)
        return visit.html(visit.view.secretPage(secret, isPassword: false))
      },
      act("/access/service-accounts/{id}/suspend") { visit, _ in
        try await identity.setServiceAccount(visit.request.parameter("id"), suspended: true, actor: visit.actor)
        return visit.redirect("/access", .suspended)
      },
      act("/access/service-accounts/{id}/resume") { visit, _ in
        try await identity.setServiceAccount(visit.request.parameter("id"), suspended: false, actor: visit.actor)
        return visit.redirect("/access", .resumed)
      },
    ]
  }
}
