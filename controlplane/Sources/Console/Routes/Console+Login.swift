internal import Core
internal import HTTP
internal import HTTPServer
internal import Reactor
internal import Telemetry

extension Console {
  private static let reason = "who is not signed in yet must be able to sign in"

  var loginRoutes: [Route] {
    [
      Route(.get, "/login", .open(reason: Self.reason)) { request in
        try await showLogin(request).withConsoleHeaders(request)
      },
      Route(.post, "/login", .proof(reason: "login and password are checked by the handler"), bodyLimit: 8192) {
        request in try await signIn(request).withConsoleHeaders(request)
      },
      write("/logout", by: .session(write: false)) { visit, _ in
        try await gate.sessions.remove(visit.sessionKey)
        try await identity.signedOut(visit.actor)
        var response = visit.redirect("/login")
        response.headers.append("Set-Cookie", Cookie.session.header("", for: visit.request, seconds: 0))
        return response
      },
    ]
  }

  private func showLogin(_ request: Request) async throws -> Response {
    if let wanted = request.query["language"], let language = Language(rawValue: wanted) {
      return Response(
        .seeOther,
        headers: [
          "Location": "/login", "Set-Cookie": Cookie.language.header(language.rawValue, for: request, seconds: year),
        ])
    }
    if try await gate.session(of: request) != nil { return Response(.seeOther, headers: ["Location": "/"]) }
    let next = request.query["next"].flatMap { Link(local: $0) }
    return loginPage(request, next: next)
  }

  private var year: Int { 365 * 86_400 }

  /// Every showing of the form gets a new token; the browser holds its twin in a cookie.
  private func loginPage(
    _ request: Request, next: Link?, login: String = "", failure: Failure? = nil
  ) -> Response {
    let token = Base64.url.encode(random.bytes(24))
    let page = view(of: request, session: nil).loginPage(token: token, next: next?.text, login: login, failure: failure)
    var response = Response.html(failure?.status ?? .ok, bytes: page.bytes)
    response.headers.append("Set-Cookie", Cookie.login.header(token, for: request, seconds: 3600))
    return response
  }

  private func signIn(_ request: Request) async throws -> Response {
    let form = try await Self.form(request)
    let next = Link(local: form["next"])
    let login = form["login"]
    guard CSRF.comesFromHere(request),
      CSRF.matches(form.verbatim(CSRF.fieldName), Cookie.login.value(in: request) ?? "")
    else { return loginPage(request, next: next, login: login, failure: Failure(.forbidden, .formExpired)) }
    let credentials = Credentials(
      login: login, password: form.verbatim("password"), code: form["code"].isEmpty ? nil : form["code"])
    let signedIn: SignedIn
    do {
      signedIn = try await identity.signIn(credentials, remote: request.client, trace: request.trace.traceID)
    } catch let error as APIError where error.code == .unauthorized {
      // One answer for every reason: it must not tell which logins exist.
      let text: Text = error.details["second_factor_required"] == nil ? .wrongCredentials : .codeNeeded
      return loginPage(request, next: next, login: login, failure: Failure(.unauthorized, text))
    } catch let error as APIError where error.code != .internalError {
      return loginPage(request, next: next, login: login, failure: Failure(error))
    }
    // A session that was there before ends: the new one has a name of its own.
    if let old = Cookie.session.value(in: request) { try await gate.sessions.remove(SessionGate.key(of: old)) }
    let token = try await gate.begin(signedIn)
    var response = Response(.seeOther, headers: ["Location": (next ?? "/").text])
    response.headers.append("Set-Cookie", Cookie.session.header(token, for: request))
    response.headers.append("Set-Cookie", Cookie.login.header("", for: request, seconds: 0))
    return response
  }

  var settingsRoutes: [Route] {
    [
      page("/settings") { visit in
        visit.html(visit.view.settingsPage(try await ownSecurity(visit), notice: visit.notice))
      },
      write("/settings", by: .session(write: false)) { visit, form in
        var response = visit.redirect("/settings", .preferencesSaved)
        if let language = Language(rawValue: form["language"]) {
          response.headers.append(
            "Set-Cookie", Cookie.language.header(language.rawValue, for: visit.request, seconds: year))
        }
        if let theme = Theme(rawValue: form["theme"]) {
          response.headers.append("Set-Cookie", Cookie.theme.header(theme.rawValue, for: visit.request, seconds: year))
        }
        return response
      },
      page("/settings/password") { visit in
        visit.session.mustChangePassword ? visit.html(visit.view.newPasswordPage()) : visit.redirect("/settings")
      },
      write("/settings/password", by: .session(write: false)) { visit, form in
        try await changePassword(visit, form)
      },
    ] + securityRoutes
  }

  private func changePassword(_ visit: Visit, _ form: Form) async throws -> Response {
    do {
      guard form.verbatim("new") == form.verbatim("again") else { throw FormProblem(text: .passwordsDiffer) }
      try await identity.changePassword(
        current: form.verbatim("current"), new: form.verbatim("new"), actor: visit.actor)
    } catch {
      let failure = try Failure(showing: error)
      let page =
        visit.session.mustChangePassword
        ? visit.view.newPasswordPage(failure: failure)
        : visit.view.settingsPage(try await ownSecurity(visit), notice: nil, failure: failure)
      return visit.html(page, failing: failure)
    }
    // Identity may have ended every session of this person; ours goes on, the others must not.
    try await gate.sessions.removeAll(of: visit.session.administratorID, except: visit.sessionKey)
    try await gate.sessions.passwordChanged(visit.sessionKey)
    return visit.redirect(visit.session.mustChangePassword ? "/" : "/settings", .passwordChanged)
  }
}
