import Core
import HTTP
import Testing

@testable import Identity

@Suite struct SessionListTests {
  private func sessions(_ answer: Answer) -> [String] {
    guard case .array(let items)? = answer.json["items"] else { return [] }
    return items.compactMap { item in
      guard case .object(let members) = item, case .string(let id)? = members["id"] else { return nil }
      return id
    }
  }

  @Test func endingASessionEndsItsTokensAndNoOthers() async throws {
    let harness = try await IdentityHarness()
    let first = try await harness.login()
    harness.time.advance(.seconds(1))
    let second = try await harness.login()
    let (one, two) = (try #require(first["access_token"]), try #require(second["access_token"]))
    let refreshed = try await harness.refresh(first)
    let oneMore = try #require(refreshed["access_token"])
    let listed = sessions(try await harness.send(.get, "/api/v1/auth/sessions", token: two))
    #expect(listed.count == 2)
    let page = try await harness.send(.get, "/api/v1/auth/sessions?limit=1", token: two)
    let cursor = try #require(page["next_cursor"])
    let next = try await harness.send(.get, "/api/v1/auth/sessions?limit=1&cursor=\(cursor)", token: two)
    #expect(sessions(page) + sessions(next) == listed)
    let path = "/api/v1/auth/sessions/\(listed[1])"
    #expect(try await harness.send(.delete, path, token: two).status == 204)
    #expect(try await harness.send(.delete, path, token: two).status == 404)
    for token in [one, oneMore] {
      #expect(try await harness.send(.get, "/api/v1/auth/me", token: token).status == 401)
    }
    #expect(try await harness.refresh(refreshed).status == 401)
    #expect(try await harness.send(.get, "/api/v1/auth/me", token: two).status == 200)
    #expect(sessions(try await harness.send(.get, "/api/v1/auth/sessions", token: two)) == [listed[0]])
  }

  @Test func nobodyEndsTheSessionOfAnotherButAdministratorsAllOfThem() async throws {
    let harness = try await IdentityHarness()
    let admin = try await harness.adminToken()
    let draft = #"{"login":"second","role":"readonly","password":"another long passphrase"}"#
    let made = try await harness.send(.post, "/api/v1/admin-users", token: admin, body: draft)
    let other = try await harness.login("second", "another long passphrase")
    let theirs = try #require(other["access_token"])
    let mine = sessions(try await harness.send(.get, "/api/v1/auth/sessions", token: admin))
    #expect(try await harness.send(.delete, "/api/v1/auth/sessions/\(mine[0])", token: theirs).status == 404)
    guard case .object(let person)? = made.json["administrator"] ?? .object(made.json),
      case .string(let id)? = person["id"]
    else {
      Issue.record("no id in \(made.text)")
      return
    }
    let path = "/api/v1/admin-users/\(id)/sessions"
    #expect(sessions(try await harness.send(.get, path, token: admin)).count == 1)
    #expect(try await harness.send(.delete, path, token: admin).status == 204)
    #expect(sessions(try await harness.send(.get, path, token: admin)).isEmpty)
    #expect(try await harness.send(.get, "/api/v1/auth/me", token: theirs).status == 401)
    #expect(try await harness.refresh(other).status == 401)
  }

  @Test func theSecondFactorComesAsAQRCode() async throws {
    let harness = try await IdentityHarness()
    let offer = try await harness.send(.post, "/api/v1/auth/totp", token: try await harness.adminToken())
    let svg = try #require(offer["qr_svg"])
    #expect(svg.hasPrefix("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 "))
    #expect(svg.hasSuffix("</svg>"))
    #expect(!svg.contains("script") && !svg.contains("style=") && !svg.contains("otpauth"))
  }

  @Test(arguments: [
    "password2026!", "PASSWORD1234", "P@ssw0rd!!2026", "123456789012", "qwertyuiop12", "passwordpassword",
    "aaaaaaaaaaaa",
    "abcdefghijklm", "zyxwvutsrqpo", "admin1234567", "artstore2026!", "йцукенгшщзхъ", "abc123abc123", "1234512345123",
    "Iloveyou12345",
  ])
  func commonOnesWithOrnamentsAreRefused(password: String) {
    #expect(PasswordHashing.objection(to: password, login: "") != nil)
  }

  @Test(arguments: [
    "correct horse battery", "another passphrase", "vier-Zebras-im-Regen", "k7#pQz!2mW9x", "master of the four winds",
    "синий кит поёт ночью",
  ])
  func othersAreNot(password: String) {
    #expect(PasswordHashing.objection(to: password, login: "") == nil)
  }

  @Test func theListIsThere() {
    #expect(CommonPasswords.words.count > 2900)
    #expect(CommonPasswords.words.allSatisfy { $0.count >= 4 && $0 == $0.lowercased() })
  }
}
