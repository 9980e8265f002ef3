import Core
import Crypto
import HTTP
import HTTPServer
import JWT
import Testing

struct RouterTests {
  /// Lets through whom the route's access names, without tokens: what is tested here is the routing.
  struct Everyone: Authorizer {
    func authorize(_ request: Request, for access: Access) async throws(APIError) -> Principal {
      if access == .anyToken { throw .unauthorized("no token") }
      return Principal(subject: "someone")
    }
  }

  static let open = Access.open(reason: "test")

  static func router(_ routes: [Route]) -> Router { Router(routes, authorizer: Everyone()) }

  static func named(_ method: HTTPMethod, _ path: String, _ access: Access = open) -> Route {
    Route(method, path, access) { request in
      let parameters = request.parameters.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
      return .text(.ok, "\(path) \(parameters.joined(separator: ","))")
    }
  }

  static func text(_ response: Response) -> String {
    guard case .bytes(let bytes) = response.body else { return "" }
    return String(decoding: bytes, as: UTF8.self)
  }

  static let files = router([
    named(.get, "/files/{id}"), named(.get, "/files/digest"), named(.patch, "/files/{id}"),
    named(.get, "/files/{id}/download"), named(.post, "/files/upload"), named(.get, "/files/digest/{part}/x"),
    named(.get, "/secret", .anyToken),
  ])

  @Test(arguments: [
    ("/files/7", "/files/{id} id=7"), ("/files/digest", "/files/digest "),
    ("/files/digest/download", "/files/{id}/download id=digest"), ("/files/a%20b", "/files/{id} id=a b"),
    ("/files/digest/1/x", "/files/digest/{part}/x part=1"),
  ])
  func literalsWinAndParametersAreBound(path: String, expected: String) async throws {
    let response = await Self.files.respond(to: try .make(.get, path))
    #expect(response.status == .ok)
    #expect(Self.text(response) == expected)
  }

  @Test func aParameterMayNameADocument() async throws {
    let id = "0195e1a0-0000-4000-8000-0000000000AB"
    let route = Route(.get, "/files/{id}", Self.open) { request in
      .text(.ok, "\(request.fileID("id")?.description ?? "none") \(request.fileID("other") == nil)")
    }
    for (path, expected) in [(id, id.lowercased()), ("7", "none"), (id + "0", "none")] {
      let response = await Self.router([route]).respond(to: try .make(.get, "/files/\(path)"))
      #expect(Self.text(response) == "\(expected) true")
    }
  }

  @Test(arguments: ["/", "/files", "/files/", "/files/1/2", "/nothing", "/files/7/download/more"])
  func unknownPathsAreNotFound(path: String) async throws {
    let response = await Self.files.respond(to: try .make(.get, path))
    #expect(response.status == .notFound)
    #expect(Self.text(response).contains("NOT_FOUND"))
  }

  @Test func wrongMethodNamesThoseThatWork() async throws {
    let response = await Self.files.respond(to: try .make(.delete, "/files/7"))
    #expect(response.status == .methodNotAllowed)
    #expect(response.headers["Allow"] == "GET, HEAD, OPTIONS, PATCH")
  }

  @Test func optionsNamesTheMethodsOfAPathAndOfTheServer() async throws {
    let path = await Self.files.respond(to: try .make(.options, "/files/7"))
    #expect(path.status == .noContent)
    #expect(path.headers["Allow"] == "GET, HEAD, OPTIONS, PATCH")
    let server = await Self.files.respond(to: try .make(.options, "*"))
    #expect(server.status == .noContent)
    let allowed = server.headers["Allow"]?.split(separator: ", ").map(String.init) ?? []
    #expect(Set(allowed).isSuperset(of: ["GET", "HEAD", "OPTIONS", "PATCH"]))
    #expect(await Self.files.respond(to: try .make(.options, "/nothing")).status == .notFound)
  }

  @Test func anOptionsRouteOfItsOwnWins() async throws {
    let route = Self.named(.options, "/files")
    let router = Self.router([route, Self.named(.get, "/files")])
    #expect(await router.respond(to: try .make(.options, "/files")).status == .ok)
  }

  @Test func getAnswersHead() async throws {
    #expect(await Self.files.respond(to: try .make(.head, "/files/7")).status == .ok)
    #expect(await Self.files.respond(to: try .make(.head, "/files/upload")).status == .methodNotAllowed)
  }

  @Test func refusalComesFromTheAuthorizer() async throws {
    let response = await Self.files.respond(to: try .make(.get, "/secret"))
    #expect(response.status == .unauthorized)
    #expect(response.headers["WWW-Authenticate"] == "Bearer")
  }

  @Test func declaredLengthIsCheckedBeforeTheHandler() async throws {
    let router = Self.router([Route(.post, "/small", Self.open, bodyLimit: 3) { _ in .text(.ok, "reached") }])
    #expect(await router.respond(to: try .make(.post, "/small", body: [1, 2, 3])).status == .ok)
    #expect(await router.respond(to: try .make(.post, "/small", body: [1, 2, 3, 4])).status == .contentTooLarge)
  }

  @Test func unexpectedErrorsAreNotToldToTheClient() async throws {
    struct Secret: Error { let path = "/var/lib/secret" }
    let router = Self.router([Route(.get, "/fails", Self.open) { _ in throw Secret() }])
    let response = await router.respond(to: try .make(.get, "/fails"))
    #expect(response.status == .internalServerError)
    #expect(!Self.text(response).contains("secret"))
    #expect(Self.text(response).contains("request_id"))
  }

  @Test func errorsCanBeRenderedOtherwise() async throws {
    let router = Router(
      [], authorizer: Everyone(), renderError: { error, _ in .text(error.status, "<p>\(error.code.rawValue)") })
    #expect(Self.text(await router.respond(to: try .make(.get, "/x"))) == "<p>NOT_FOUND")
  }
}

struct RequestBodyTests {
  @Test func collectsUpToTheLimit() async throws {
    #expect(try await RequestBody(bytes: [1, 2, 3]).collect(limit: 3) == [1, 2, 3])
    await #expect(throws: APIError.self) { try await RequestBody(bytes: [1, 2, 3]).collect(limit: 2) }
  }

  @Test func aChunkedBodyIsStoppedAtTheLimitToo() async throws {
    let body = RequestBody(declaredLength: nil) { [UInt8](repeating: 7, count: 10) }
    let error = await #expect(throws: APIError.self) { try await body.collect(limit: 95) }
    #expect(error?.code == .fileTooLarge)
    #expect(body.receivedCount == 100)
  }
}
