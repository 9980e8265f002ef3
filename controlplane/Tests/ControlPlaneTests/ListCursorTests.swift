import Core
import HTTP
import HTTPServer
import JWT
import Service
import Testing

@testable import ControlPlane
@testable import Identity

/// A cursor that a list did not give is refused: an empty page, or the first one again, would hide what comes after.
@Suite(.serialized) struct ListCursorTests {
  @Test func aStrangeCursorIsNoEndOfAList() async throws {
    let harness = try await AssemblyHarness()
    let token = try await harness.token(AdminRole.admin.scopes, .admin)
    let stranger = Base64.url.encode(Array("nothing of that name".utf8))
    for list in ["storage-elements", "local-clients", "revocations", "tasks"] {
      let request = try Request.make(
        .get, "/api/v1/\(list)?limit=1&cursor=\(stranger)", headers: ["Authorization": "Bearer \(token)"])
      let answer = await harness.router(of: .admin).respond(to: request)
      #expect(answer.status == .badRequest, "\(list)")
    }
  }

  @Test func theSecondPageOfTasksIsNotTheFirst() async throws {
    let harness = try await AssemblyHarness()
    let token = try await harness.token(AdminRole.admin.scopes, .admin)
    let names = harness.assembly.tasks.map(\.name)
    let first = Base64.url.encode(Array(names[0].utf8))
    let request = try Request.make(
      .get, "/api/v1/tasks?limit=1&cursor=\(first)", headers: ["Authorization": "Bearer \(token)"])
    let answer = await harness.router(of: .admin).respond(to: request)
    guard case .bytes(let bytes) = answer.body else { throw APIError(.internalError, "no body") }
    let text = String(decoding: bytes, as: UTF8.self)
    #expect(text.contains("\"name\":\"\(names[1])\"") && !text.contains("\"name\":\"\(names[0])\""))
  }
}
