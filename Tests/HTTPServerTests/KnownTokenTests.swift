import Core
import HTTP
import JWT
import Reactor
import Synchronization
import TestKit
import Testing

@testable import HTTPServer

/// A connection's next request mostly brings the token of the one before. That must be quicker, never laxer.
struct KnownTokenTests {
  let time = ManualTime()
  let tokens: TestTokens
  let verifier: TokenVerifier
  let origin = RequestOrigin(remote: .loopback(port: 0), peer: nil, peerSPKI: nil, exporter: nil)

  init() throws {
    tokens = try TestTokens(time: time, random: SeededRandom(seed: 5))
    verifier = tokens.verifier()
  }

  private func ask(_ token: String, _ authorizer: BearerAuthorizer) async throws -> String {
    let head = try RequestHead(.get, "/x", headers: ["Authorization": "Bearer \(token)"])
    let request = Request(head: head, body: .none, identifier: 1, from: origin)
    return try await authorizer.authorize(request, for: .anyToken).subject
  }

  @Test func theSameTokenIsKnownAndAnotherIsNot() async throws {
    let authorizer = BearerAuthorizer(verifier: verifier)
    let token = try tokens.mint(subject: "one")
    #expect(try await ask(token, authorizer) == "one")
    let known = try #require(origin.lastToken.withLock { $0 })
    #expect(try await ask(token, authorizer) == "one")
    #expect(origin.lastToken.withLock { $0 } === known)
    // As long as the known one, wrong in its last character or in a middle one.
    for at in [token.utf8.count - 1, token.utf8.count / 2] {
      var bytes = Array(token.utf8)
      bytes[at] = bytes[at] == UInt8(ascii: "A") ? UInt8(ascii: "B") : UInt8(ascii: "A")
      let forged = String(decoding: bytes, as: UTF8.self)
      await #expect(throws: APIError.self) { try await ask(forged, authorizer) }
    }
    #expect(try await ask(try tokens.mint(subject: "two"), authorizer) == "two")
  }

  @Test func itsTimeItsKeysAndItsRevocationStillCount() async throws {
    let revoked = Mutex(false)
    let authorizer = BearerAuthorizer(verifier: verifier) { _ in revoked.withLock { $0 } }
    let token = try tokens.mint(subject: "one", lifetime: .seconds(300))
    #expect(try await ask(token, authorizer) == "one")
    revoked.withLock { $0 = true }
    await #expect(throws: APIError.self) { try await ask(token, authorizer) }
    revoked.withLock { $0 = false }
    #expect(try await ask(token, authorizer) == "one")
    verifier.update(keys: JSONWebKeySet(keys: []))
    await #expect(throws: APIError.self) { try await ask(token, authorizer) }
    verifier.update(keys: tokens.keySet)
    #expect(try await ask(token, authorizer) == "one")
    verifier.update(keys: tokens.keySet, issuer: "https://another.test")
    await #expect(throws: APIError.self) { try await ask(token, authorizer) }
    verifier.update(keys: tokens.keySet, issuer: nil)
    #expect(try await ask(token, authorizer) == "one")
    time.advance(by: .seconds(361))
    await #expect(throws: APIError.self) { try await ask(token, authorizer) }
  }

  @Test func whatOneVerifierFoundIsNothingToAnother() async throws {
    let token = try tokens.mint(subject: "one")
    #expect(try await ask(token, BearerAuthorizer(verifier: verifier)) == "one")
    let other = BearerAuthorizer(verifier: tokens.verifier(audience: "somewhere else"))
    await #expect(throws: APIError.self) { try await ask(token, other) }
  }
}
