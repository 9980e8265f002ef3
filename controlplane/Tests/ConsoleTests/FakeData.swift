internal import Core
internal import HTTP
internal import HTTPServer
internal import JWT
internal import StorageAPI
internal import Synchronization

@testable import Console

/// The console's data in memory: remembers what was asked of it, answers what a test put in.
final class FakeData: ConsoleIdentity, ConsoleFleet, ConsoleFiles {
  struct State {
    var people: [String: (password: String, signedIn: SignedIn)] = [
      "root": (
        "correct horse battery", SignedIn(id: "1", login: "root", role: .admin, mustChangePassword: false)
      ),
      "viewer": (
        "only looking around", SignedIn(id: "2", login: "viewer", role: .readonly, mustChangePassword: false)
      ),
      "fresh": ("one-time", SignedIn(id: "3", login: "fresh", role: .admin, mustChangePassword: true)),
    ]
    var suspended: Set<String> = []
    var factors: Set<String> = []
    var elements: [StorageElement] = []
    var records: [FileRecord] = []
    var locals: [SiteClient] = []
    var revocations: [Revocation] = []
    var discovery: Discovery?
    var uploads: [(draft: UploadDraft, bytes: [UInt8])] = []
    var queries: [FileQuery] = []
    var acts: [String] = []
    var failure: APIError?
  }

  private let state = Mutex(State())

  func with<R: Sendable>(_ body: (inout State) -> R) -> R { state.withLock { state in body(&state) } }

  func act(_ text: String) throws {
    try state.withLock { state in
      if let failure = state.failure { throw failure }
      state.acts.append(text)
    }
  }

  var acts: [String] { state.withLock { $0.acts } }

  func signIn(_ credentials: Credentials, remote: String, trace: String) async throws -> SignedIn {
    let found = state.withLock { $0.people[credentials.login] }
    guard let found, found.password == credentials.password else {
      throw APIError(.unauthorized, "login, password or code is wrong")
    }
    return found.signedIn
  }

  func currentRole(of administratorID: String) async throws -> AdminRole? {
    state.withLock { state in
      state.suspended.contains(administratorID)
        ? nil : state.people.values.first { $0.signedIn.id == administratorID }?.signedIn.role
    }
  }

  func signedOut(_ actor: Person) async throws { try act("signed out \(actor.login)") }

  func changePassword(current: String, new: String, actor: Person) async throws {
    guard new.count >= 12 else { throw APIError(.validation, "the password is shorter than 12 characters") }
    try act("password of \(actor.login)")
  }

  func hasSecondFactor(_ actor: Person) async throws -> Bool { state.withLock { $0.factors.contains(actor.login) } }

  func offerSecondFactor(to actor: Person) async throws -> FactorOffer {
    try act("offer a factor to \(actor.login)")
    return FactorOffer(secret: "JBSWY3DPEHPK3PXP", size: 29, path: "M4 4h7v1h-7z")
  }

  func confirmSecondFactor(code: String, actor: Person) async throws -> [String] {
    guard code == "123456" else { throw APIError(.validation, "code: wrong") }
    _ = state.withLock { $0.factors.insert(actor.login) }
    return ["recover-one", "recover-two"]
  }

  func removeSecondFactor(code: String, actor: Person) async throws {
    guard code == "123456" else { throw APIError(.forbidden, "code: wrong or used already") }
    _ = state.withLock { $0.factors.remove(actor.login) }
  }

  func administrators() async throws -> [Administrator] {
    state.withLock { state in
      state.people.values.map(\.signedIn).sorted { $0.id < $1.id }.map {
        Administrator(
          id: $0.id, login: $0.login, role: $0.role, isSuspended: state.suspended.contains($0.id), lockedUntil: nil,
          hasSecondFactor: false, lastSignInAt: nil, createdAt: Timestamp(seconds: 0))
      }
    }
  }

  func createAdministrator(login: String, role: AdminRole, actor: Person) async throws -> IssuedSecret {
    try act("create \(login) \(role.rawValue)")
    return IssuedSecret(owner: login, secret: "one-time-secret")
  }

  func setAdministrator(_ id: String, suspended: Bool, actor: Person) async throws {
    try act("administrator \(id) suspended \(suspended)")
    state.withLock { state in
      if suspended { state.suspended.insert(id) } else { state.suspended.remove(id) }
    }
  }

  func unlockAdministrator(_ id: String, actor: Person) async throws { try act("unlock \(id)") }

  func resetPassword(_ id: String, actor: Person) async throws -> IssuedSecret {
    try act("reset \(id)")
    return IssuedSecret(owner: id, secret: "reset-secret")
  }

  func serviceAccounts() async throws -> [ServiceAccount] { [] }

  func createServiceAccount(_ draft: ServiceAccountForm, actor: Person) async throws -> IssuedSecret {
    try act("account \(draft.name) \(draft.scopes.joined(separator: "+")) \(draft.secretDays)")
    return IssuedSecret(owner: "sa_\(draft.name)_x", secret: "shown-once")
  }

  func rotateSecret(_ id: String, actor: Person) async throws -> IssuedSecret {
    try act("rotate \(id)")
    return IssuedSecret(owner: id, secret: "rotated-once")
  }

  func setServiceAccount(_ id: String, suspended: Bool, actor: Person) async throws {
    try act("account \(id) suspended \(suspended)")
  }

  func audit(_ filter: AuditQuery, cursor: String?, limit: Int) async throws -> Slice<AuditLine> { Slice([]) }

  func storageElements() async throws -> [StorageElement] { state.withLock { $0.elements } }

  func storageElement(_ id: String) async throws -> StorageElement? {
    state.withLock { $0.elements.first { $0.id == id } }
  }

  func discover(url: String, actor: Person) async throws -> Discovery {
    try act("discover \(url)")
    return with { $0.discovery }
      ?? Discovery(url: url, storageID: "se-1", version: "0.1", mode: .rw, knownAs: nil)
  }

  func claim(_ claim: ClaimForm, actor: Person) async throws -> StorageElement {
    try act("claim \(claim.name) \(claim.url) \(claim.claimCode) \(claim.priority)")
    return .sample(id: "new", name: claim.name)
  }

  func sync(_ id: String, actor: Person) async throws -> SyncSummary {
    try act("sync \(id)")
    return SyncSummary(added: 3, updated: 2, deleted: 1, unchanged: 1234)
  }

  func transition(_ id: String, to mode: ApplianceMode, actor: Person) async throws {
    try act("mode \(id) \(mode.rawValue)")
  }

  func update(_ id: String, name: String, priority: Int, actor: Person) async throws {
    try act("update \(id) \(name) \(priority)")
  }

  func acceptLoss(_ id: String, actor: Person) async throws { try act("accept \(id)") }

  func remove(_ id: String, force: Bool, actor: Person) async throws { try act("remove \(id) force \(force)") }

  func tasks() async throws -> [TaskState] { [] }

  func totals() async throws -> DocumentTotals { DocumentTotals(active: 1234, expired: 0, deleted: 0, bytes: 1 << 30) }

  func recent(limit: Int) async throws -> [FileRecord] { state.withLock { Array($0.records.prefix(limit)) } }

  func search(_ query: FileQuery, actor: Person) async throws -> FileResults {
    try state.withLock { state in
      if let failure = state.failure { throw failure }
      state.queries.append(query)
      return FileResults(
        items: state.records, total: state.records.count, isExact: true, isPartial: false, nextCursor: "next cursor")
    }
  }

  func file(_ id: FileID, actor: Person) async throws -> FileDetails? {
    state.withLock { $0.records.first { $0.fileID == id } }.map {
      FileDetails(record: $0, storageName: "north", isDeletable: true)
    }
  }

  func download(_ id: FileID, request: Request, actor: Person) async throws -> Response {
    Response(.ok, headers: ["Content-Type": "text/html"], body: .bytes(Array("<script>document</script>".utf8)))
  }

  func upload(
    _ draft: UploadDraft, from source: DocumentSource, request: Request, actor: Person
  ) async throws -> FileRecord {
    var bytes: [UInt8] = []
    while let chunk = try await source.next() { bytes += chunk }
    try act("upload \(draft.filename)")
    state.withLock { [bytes] in $0.uploads.append((draft, bytes)) }
    return .sample(name: draft.filename)
  }

  func delete(_ id: FileID, request: Request, actor: Person) async throws { try act("delete \(id)") }
}

extension StorageElement {
  static func sample(id: String = "7", name: String = "north", mode: ApplianceMode = .rw) -> StorageElement {
    StorageElement(
      id: id, name: name, url: "https://10.0.0.1:8010", storageID: "se-\(id)", mode: mode, status: .online,
      capacityBytes: 1000, usedBytes: 250, availableBytes: 750, priority: 100)
  }
}

extension FileRecord {
  static func sample(name: String, description: String? = nil, tags: [String] = []) -> FileRecord {
    FileRecord(
      fileID: FileID(high: 1, low: 2), originalFilename: name, contentType: "application/pdf", size: 4096,
      checksum: Checksum(String(repeating: "ab", count: 32))!, uploadedBy: "sa_scanner",
      uploadedAt: Timestamp(seconds: 0),
      retentionPolicy: .permanent, description: description, tags: tags)
  }
}
