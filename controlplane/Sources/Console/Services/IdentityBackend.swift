internal import Core
internal import HTTP
internal import Identity
internal import JWT

/// The console's view of Identity, whose services check the rules and write the audit themselves.
struct IdentityBackend: ConsoleIdentity {
  let service: IdentityService

  /// More than a page can usefully show; the API lists the rest.
  private static let listMax = 500

  func signIn(_ credentials: Credentials, remote: String, trace: String) async throws -> SignedIn {
    let administrator = try await service.sessions.authenticate(
      login: credentials.login, password: credentials.password, code: credentials.code, source: remote, trace: trace)
    return SignedIn(
      id: administrator.id.description, login: administrator.login, role: administrator.role,
      mustChangePassword: administrator.mustChangePassword)
  }

  func currentRole(of administratorID: String) async throws -> AdminRole? {
    do {
      let administrator = try await service.administrators.get(try Self.id(administratorID))
      return administrator.status == .active ? administrator.role : nil
    } catch let error as APIError where error.code == .notFound {
      return nil
    }
  }

  func signedOut(_ actor: Person) async throws {
    try await service.audit.record(
      AuditEntry(
        actor: actor.login, action: "logout", target: actor.login, source: actor.remote, trace: actor.trace))
  }

  func changePassword(current: String, new: String, actor: Person) async throws {
    try await service.administrators.changePassword(login: actor.login, old: current, new: new, by: actor.forIdentity)
  }

  func hasSecondFactor(_ actor: Person) async throws -> Bool {
    try await service.administrators.get(login: actor.login).hasSecondFactor
  }

  func offerSecondFactor(to actor: Person) async throws -> FactorOffer {
    let offer = try await service.secondFactor.offer(to: try await service.administrators.get(login: actor.login))
    return FactorOffer(secret: offer.secret, size: offer.code.size, path: offer.code.path)
  }

  func confirmSecondFactor(code: String, actor: Person) async throws -> [String] {
    try await service.secondFactor.confirm(
      code, of: try await service.administrators.get(login: actor.login), by: actor.forIdentity)
  }

  func removeSecondFactor(code: String, actor: Person) async throws {
    try await service.secondFactor.remove(
      code, of: try await service.administrators.get(login: actor.login), by: actor.forIdentity)
  }

  func administrators() async throws -> [Administrator] {
    try await service.administrators.list(limit: Self.listMax).items.map { administrator in
      Administrator(
        id: administrator.id.description, login: administrator.login, role: administrator.role,
        isSuspended: administrator.status != .active, lockedUntil: administrator.lockedUntil,
        hasSecondFactor: administrator.hasSecondFactor, lastSignInAt: administrator.lastLoginAt,
        createdAt: administrator.createdAt)
    }
  }

  func createAdministrator(login: String, role: AdminRole, actor: Person) async throws -> IssuedSecret {
    let made = try await service.administrators.create(
      AdministratorDraft(login: login, role: role), by: actor.forIdentity)
    return Self.secret(of: made)
  }

  func setAdministrator(_ id: String, suspended: Bool, actor: Person) async throws {
    _ = try await service.administrators.update(
      try Self.id(id), AdministratorPatch(status: suspended ? .suspended : .active), by: actor.forIdentity)
  }

  func unlockAdministrator(_ id: String, actor: Person) async throws {
    _ = try await service.administrators.unlock(try Self.id(id), by: actor.forIdentity)
  }

  func resetPassword(_ id: String, actor: Person) async throws -> IssuedSecret {
    Self.secret(of: try await service.administrators.resetPassword(try Self.id(id), by: actor.forIdentity))
  }

  private static func secret(of made: AdministratorWithPassword) -> IssuedSecret {
    IssuedSecret(owner: made.administrator.login, secret: made.oneTimePassword ?? "")
  }

  func serviceAccounts() async throws -> [ServiceAccount] {
    try await service.serviceAccounts.list(limit: Self.listMax).items.map { account in
      ServiceAccount(
        id: account.id.description, clientID: account.clientID, name: account.name, description: account.description,
        scopes: account.scopes.map(\.rawValue), isSuspended: account.status != .active,
        secretExpiresAt: account.secretExpiresAt, lastUsedAt: account.lastUsedAt, createdAt: account.createdAt)
    }
  }

  func createServiceAccount(_ draft: ServiceAccountForm, actor: Person) async throws -> IssuedSecret {
    let made = try await service.serviceAccounts.create(
      ServiceAccountDraft(
        name: draft.name, description: draft.description.isEmpty ? nil : draft.description,
        scopes: draft.scopes.compactMap { Scope(rawValue: $0) }, secretDays: draft.secretDays),
      by: actor.forIdentity)
    return IssuedSecret(owner: made.account.clientID, secret: made.secret)
  }

  func rotateSecret(_ id: String, actor: Person) async throws -> IssuedSecret {
    let made = try await service.serviceAccounts.rotateSecret(try Self.id(id), by: actor.forIdentity)
    return IssuedSecret(owner: made.account.clientID, secret: made.secret)
  }

  func setServiceAccount(_ id: String, suspended: Bool, actor: Person) async throws {
    _ = try await service.serviceAccounts.update(
      try Self.id(id), ServiceAccountPatch(status: suspended ? .suspended : .active), by: actor.forIdentity)
  }

  func audit(_ filter: AuditQuery, cursor: String?, limit: Int) async throws -> Slice<AuditLine> {
    var wanted = AuditFilter()
    wanted.actor = filter.actor
    wanted.action = filter.action
    wanted.result = filter.result.flatMap { AuditResult(rawValue: $0.rawValue) }
    let before = cursor.flatMap { Int64($0) }
    // One more than is shown tells whether there is another page.
    let records = try await service.audit.list(wanted, limit: limit + 1, before: before).items
    let shown = records.prefix(limit)
    return Slice(
      shown.map { record in
        AuditLine(
          at: record.at, actor: record.entry.actor, action: record.entry.action, target: record.entry.target,
          remote: record.entry.source, result: AuditOutcome(rawValue: record.entry.result.rawValue) ?? .failed,
          details: Self.text(of: record.entry.details))
      }, nextCursor: records.count > limit ? shown.last.map { String($0.sequence) } : nil)
  }

  /// `name: value, …`, as the details are to be read.
  private static func text(of details: [String: JSONValue]) -> String {
    details.sorted { $0.key < $1.key }.map { name, value in
      if case .string(let text) = value { return "\(name): \(text)" }
      return "\(name): \(String(decoding: JSONWriter.document { $0.value(value) }, as: UTF8.self))"
    }.joined(separator: ", ")
  }

  private static func id(_ text: String) throws(APIError) -> FileID {
    guard let id = FileID(text) else { throw APIError(.notFound, "there is no such account; reload the page") }
    return id
  }
}

extension Person {
  var forIdentity: Actor { Actor(subject: login, source: remote, trace: trace) }
}
