internal import Core
internal import HTTP

@testable import Console

extension FakeData: ConsoleTrust {
  func localClients() async throws -> [SiteClient] { with { $0.locals } }

  func localClient(_ id: String) async throws -> SiteClient? { with { $0.locals.first { $0.id == id } } }

  func addLocalClient(_ form: LocalClientForm, actor: Person) async throws -> IssuedCertificate {
    let scopes = form.scopes.sorted().joined(separator: "+")
    try act("client \(form.name) \(scopes) \(form.sites.sorted().joined(separator: "+")) \(form.days)")
    return .sample
  }

  func renewLocalClient(_ id: String, actor: Person) async throws -> IssuedCertificate {
    try act("renew \(id)")
    return .sample
  }

  func removeLocalClient(_ id: String, actor: Person) async throws { try act("remove client \(id)") }

  func revocations() async throws -> [Revocation] { with { $0.revocations } }

  func revoke(_ form: RevocationForm, actor: Person) async throws {
    try act("revoke \(form.key)\(form.certificate) \(form.reason)")
  }

  func revokeElement(_ id: String, reason: String, actor: Person) async throws {
    try act("revoke element \(id) \(reason)")
  }

  func register(_ form: ClaimForm, actor: Person) async throws -> StorageElement {
    try act("register \(form.name) \(form.url) \(form.priority)")
    return .sample(id: "new", name: form.name)
  }
}

extension IssuedCertificate {
  static let sample = IssuedCertificate(
    identity: "artstore://client/scanner", expiresAt: Timestamp("2026-12-31T00:00:00Z")!,
    chain: "-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\n")
}

extension SiteClient {
  static func sample(name: String = "scanner", ends: Timestamp) -> SiteClient {
    SiteClient(
      id: "7", name: name, identity: "artstore://client/\(name)", key: String(repeating: "ab", count: 32),
      scopes: ["files:read"], sites: ["north"], expiresAt: ends, createdBy: "root")
  }
}
