internal import Catalogue
internal import Core
internal import Fleet
internal import HTTP
internal import JWT

extension FleetBackend: ConsoleTrust {
  func localClients() async throws -> [SiteClient] {
    let names = try await siteNames()
    return try await registry.localClients().map { SiteClient($0, names) }
  }

  func localClient(_ id: String) async throws -> SiteClient? {
    guard let id = FileID(id) else { return nil }
    do {
      return SiteClient(try await registry.localClient(id), try await siteNames())
    } catch let error as APIError where error.code == .notFound {
      return nil
    }
  }

  func addLocalClient(_ form: LocalClientForm, actor: Person) async throws -> IssuedCertificate {
    let draft = LocalClientDraft(
      name: form.name, csr: form.request, scopes: form.scopes.sorted(),
      elements: form.sites.sorted().compactMap { FileID($0) },
      days: Int(form.days) ?? 0)
    return IssuedCertificate(try await registry.addLocalClient(draft, by: actor.forIdentity))
  }

  func renewLocalClient(_ id: String, actor: Person) async throws -> IssuedCertificate {
    IssuedCertificate(try await registry.renewLocalClient(try Self.client(id), days: 45, by: actor.forIdentity))
  }

  func removeLocalClient(_ id: String, actor: Person) async throws {
    try await registry.removeLocalClient(
      try Self.client(id), reason: "the local client was deleted", by: actor.forIdentity)
  }

  func revocations() async throws -> [Revocation] {
    try await registry.revocations().map { key in
      Revocation(
        key: key.spki.description, subject: key.subject, reason: key.reason, revokedBy: key.revokedBy,
        revokedAt: key.revokedAt)
    }
  }

  func revoke(_ form: RevocationForm, actor: Person) async throws {
    try await registry.revoke(
      certificate: form.certificate.isEmpty ? nil : form.certificate,
      keySHA256: form.key.isEmpty ? nil : form.key.lowercased(), reason: form.reason, by: actor.forIdentity)
  }

  func revokeElement(_ id: String, reason: String, actor: Person) async throws {
    _ = try await registry.revoke(element: try Self.id(id), reason: reason, by: actor.forIdentity)
  }

  func register(_ form: ClaimForm, actor: Person) async throws -> StorageElement {
    StorageElement(
      try await registry.register(name: form.name, url: form.url, priority: form.priority, by: actor.forIdentity))
  }

  private func siteNames() async throws -> [FileID: String] {
    Dictionary(try await registry.list().map { ($0.id, $0.name) }) { first, _ in first }
  }

  private static func client(_ text: String) throws(APIError) -> FileID {
    guard let id = FileID(text) else { throw APIError(.notFound, "there is no such local client; reload the page") }
    return id
  }
}

extension SiteClient {
  /// A site that was removed since is shown by its id.
  init(_ known: LocalClientEntry, _ names: [FileID: String]) {
    self.init(
      id: known.id.description, name: known.name, identity: known.identity, key: known.spki.description,
      scopes: known.scopes.map(\.rawValue).sorted(), sites: known.elements.map { names[$0] ?? $0.description },
      expiresAt: known.expiresAt, createdBy: known.createdBy)
  }
}

extension IssuedCertificate {
  init(_ made: (entry: LocalClientEntry, certificate: String)) {
    self.init(identity: made.entry.identity, expiresAt: made.entry.expiresAt, chain: made.certificate)
  }
}
