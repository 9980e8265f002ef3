internal import Core
internal import HTTP
internal import HTTPServer
internal import JWT
internal import Reactor
internal import Telemetry

/// One request of a signed-in person, with what its handler needs to answer with a page.
struct Visit: Sendable {
  let request: Request
  let view: View
  let session: Session
  /// Under which the session is kept.
  let sessionKey: String

  var actor: Person {
    Person(
      id: session.administratorID, login: session.login, role: session.role, remote: request.client,
      trace: request.trace.traceID)
  }

  var notice: Notice? { Notice(word: request.query["notice"], numbers: request.query["n"]) }

  /// htmx wants a part of a page.
  func wantsPart(_ id: String) -> Bool {
    request.head.header("HX-Request") == "true" && request.head.header("HX-Target") == id
      && request.head.header("HX-History-Restore-Request") != "true"
  }

  func html(_ html: HTML, _ status: HTTPStatus = .ok) -> Response { .html(status, bytes: html.bytes) }

  func html(_ html: HTML, failing failure: Failure) -> Response { .html(failure.status, bytes: html.bytes) }

  /// After a write: the browser fetches the next page, so that reloading it repeats nothing.
  func redirect(_ link: Link, _ notice: Notice? = nil) -> Response {
    Response(.seeOther, headers: ["Location": link.query(notice?.items ?? []).text])
  }
}

/// A form that was sent: trimmed values, by name.
struct Form: Sendable {
  private let items: QueryItems

  init(_ items: QueryItems) { self.items = items }

  subscript(_ name: String) -> String { (items[name] ?? "").trimmed }

  /// As typed: for passwords, where blanks count.
  func verbatim(_ name: String) -> String { items[name] ?? "" }

  func has(_ name: String) -> Bool { items[name] != nil }

  /// A whole number in `range`; throws what the person can mend.
  func integer(_ name: String, in range: ClosedRange<Int>) throws(FormProblem) -> Int {
    guard let value = Int(self[name]), range.contains(value) else { throw FormProblem(text: .badNumber, field: name) }
    return value
  }

  func required(_ name: String) throws(FormProblem) -> String {
    let value = self[name]
    guard !value.isEmpty else { throw FormProblem(text: .missingField, field: name) }
    return value
  }
}

/// Something in a form that its sender can mend.
struct FormProblem: Error {
  let text: Text
  var status = HTTPStatus.badRequest
  var field: String?

  var failure: Failure { Failure(status, text, field: field) }

  /// The session's token did not come with the form.
  static let foreign = FormProblem(text: .formExpired, status: .forbidden)
}

extension Failure {
  /// What a handler shows instead of its result; other errors are no answer for a person and go on to the log.
  init(showing error: any Error) throws {
    switch error {
    case let error as APIError where error.code == .internalError: throw error
    case let error as APIError: self.init(error)
    case let problem as FormProblem: self = problem.failure
    default: throw error
    }
  }
}

extension Console {
  typealias PageHandler = @Sendable (Visit) async throws -> Response
  typealias WriteHandler = @Sendable (Visit, Form) async throws -> Response

  /// A page to look at.
  func page(_ path: String, write: Bool = false, _ handler: @escaping PageHandler) -> Route {
    Route(.get, path, .session(write: write)) { request in
      try await answer(request, handler)
    }
  }

  /// A form that changes something: needs the session's token.
  func write(_ path: String, by access: Access = .session(write: true), _ handler: @escaping WriteHandler) -> Route {
    Route(.post, path, access) { request in
      try await answer(request) { visit in
        let form = try await Self.form(request)
        guard CSRF.matches(form.verbatim(CSRF.fieldName), visit.session.csrfToken) else {
          return visit.html(visit.view.errorPage(FormProblem.foreign.failure), .forbidden)
        }
        return try await handler(visit, form)
      }
    }
  }

  static func form(_ request: Request) async throws -> Form {
    let type = request.head.header("Content-Type").flatMap { MediaType(parsing: $0) }
    guard type?.essence == FormURLEncoded.mediaType else {
      throw APIError(.unsupportedType, "the form must be sent as \(FormURLEncoded.mediaType)")
    }
    return Form(try FormURLEncoded.parse(try await request.body.collect(limit: 65_536)))
  }

  /// Makes the visit, leads to a new password first where one is due, and shows errors as pages of the console.
  /// `finish` adds the headers of what the handler made: those of a page unless it says otherwise.
  func answer(
    _ request: Request, finish: (Response) -> (Request) -> Response = Response.withConsoleHeaders,
    _ handler: PageHandler
  ) async throws -> Response {
    guard let (key, session) = try await gate.session(of: request) else {
      throw SessionGate.signInFirst(request, returns: request.method == .get)
    }
    let visit = Visit(
      request: request, view: view(of: request, session: session), session: session, sessionKey: key)
    let always: Set = ["/settings/password", "/logout"]
    if session.mustChangePassword, !always.contains(request.path) {
      return visit.redirect("/settings/password").withConsoleHeaders(request)
    }
    do {
      return finish(try await handler(visit))(request)
    } catch let error as APIError where error.code != .internalError && !request.wantsJSON {
      let failure = Failure(explaining: error)
      return visit.html(visit.view.errorPage(failure), error.status).withConsoleHeaders(request)
    }
  }
}
