internal import Core
internal import HTTP
internal import HTTPServer

/// One's own second factor and sessions. Whoever is signed in may change these, whatever the role.
extension Console {
  func ownSecurity(_ visit: Visit) async throws -> OwnSecurity {
    OwnSecurity(
      hasSecondFactor: try await identity.hasSecondFactor(visit.actor),
      sessions: try await gate.sessions.all(of: visit.session.administratorID, at: time.now()),
      present: visit.sessionKey)
  }

  var securityRoutes: [Route] {
    [
      own("/settings/second-factor") { visit, _ in
        visit.html(visit.view.factorOfferPage(try await identity.offerSecondFactor(to: visit.actor)))
      },
      own("/settings/second-factor/confirm") { visit, form in
        let codes = try await identity.confirmSecondFactor(code: try form.required("code"), actor: visit.actor)
        return visit.html(visit.view.recoveryCodesPage(codes))
      },
      own("/settings/second-factor/remove") { visit, form in
        try await identity.removeSecondFactor(code: try form.required("code"), actor: visit.actor)
        return visit.redirect("/settings", .saved)
      },
      own("/settings/sessions/{key}/end") { visit, _ in
        let key = visit.request.parameter("key")
        guard let session = try await gate.sessions.session(key),
          session.administratorID == visit.session.administratorID
        else { throw APIError(.notFound, "this session does not exist, or has ended already") }
        try await gate.sessions.remove(key)
        return visit.redirect("/settings", .saved)
      },
      own("/settings/sessions/end") { visit, _ in
        try await gate.sessions.removeAll(of: visit.session.administratorID, except: visit.sessionKey)
        return visit.redirect("/settings", .saved)
      },
    ]
  }

  /// A write that leads back to the settings page with what went wrong.
  private func own(_ path: String, _ work: @escaping WriteHandler) -> Route {
    write(path, by: .session(write: false)) { visit, form in
      do {
        return try await work(visit, form)
      } catch {
        let failure = try Failure(showing: error)
        let page = visit.view.settingsPage(try await ownSecurity(visit), notice: nil, failure: failure)
        return visit.html(page, failing: failure)
      }
    }
  }
}
