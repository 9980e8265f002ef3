import ApplianceServer
import Core
import Crypto
import HTTP
import HTTPServer
import JWT
import TestKit
import Testing

/// No forged token passes an appliance, even beside the certificate of a central role.
@Suite struct ForgedTokenTests {
  @Test func everyRouteRefusesEveryForgery() async throws {
    let target = try TestAppliance()
    let tokens = TestAppliance.tokens
    let good = tokens.claims(
      subject: "artstore://ingester/test", audience: target.audience, scopes: Set(Scope.allCases),
      lifetime: .seconds(300))
    let forged = try ForgedTokens(signer: tokens.signer, publicKey: tokens.key.publicKey, claims: good).all()
    var tried = 0
    for route in target.appliance.api.routes {
      guard case .scope = route.access else { continue }
      let path = route.path.replacing(/\{[^}]*\}/, with: FileID(high: 5, low: 6).description)
      for forgery in forged {
        let answer = try await target.call(route.method, path, token: forgery.text)
        #expect(answer.status == 401, "\(route.method.rawValue) \(route.path) with \(forgery): \(answer.status)")
        tried += 1
      }
    }
    #expect(tried > 400, "\(tried)")
  }

  @Test func noMutationIsAccepted() async throws {
    let target = try TestAppliance()
    let seed = TestSeed()
    let token = try target.token(Set(Scope.allCases))
    #expect(try await target.call(.get, "/api/v1/files", token: token).status == 200)
    for text in try ForgedTokens.mutations(of: token, count: 2000, seed: seed) {
      #expect(try await target.call(.get, "/api/v1/files", token: text).status == 401, "\(text); \(seed)")
    }
  }
}
