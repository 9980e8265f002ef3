public import Core
internal import Crypto
internal import HTTP
internal import HTTPServer
public import JWT
public import StorageAPI
internal import Synchronization

/// What the appliance believes: the fleet's key bundle, the administrator's pinned key, the clock's offset, the
/// settings.
/// Loaded at start, changed only by signed or pinned deliveries, each written to `state/` before it counts.
public final class Trust: Sendable {
  private struct Held {
    var bundle: KeyBundle?
    /// The bundle's revoked keys: asked at each request.
    var revoked: Set<Checksum> = []
    var trustKey: String?
    var adminSPKI: Checksum?
    var authorizer: BearerAuthorizer?
    var verifier: TokenVerifier?
    var settings = ApplianceSettings()
    var clockTrusted = true
  }

  private let held: Mutex<Held>
  private let deliveries = Mutex<Void>(())
  private let state: StateDirectory
  private let audience: String
  private let storageID: String
  private let clock: OffsetTime
  private let time: any TimeSource
  /// With files instead of claiming nothing may be delivered: the files are the owner's business.
  public let isFixed: Bool

  /// Roles whose certificates may carry tokens here. A client's own certificate may not (DESIGN §4.7).
  static let tokenRoles: Set<PeerRole> = [.admin, .ingester, .query, .console]

  /// Loads what an earlier claim left.
  public init(_ state: StateDirectory, storageID: FileID, time: any TimeSource) throws {
    self.state = state
    self.time = time
    self.storageID = storageID.description
    audience = Self.audience(storageID)
    isFixed = false
    var start = Held()
    start.settings = try state.readJSON(ApplianceSettings.self, "settings.json") ?? ApplianceSettings()
    let saved = try state.readJSON(ClockFile.self, "clock.json")
    clock = OffsetTime(base: time, offsetMilliseconds: saved?.offsetMilliseconds ?? 0)
    start.clockTrusted = Self.isTrusted(saved?.offsetMilliseconds ?? 0, start.settings)
    held = Mutex(start)
    guard let signed = try state.readJSON(SignedMessage.self, TrustFiles.bundle) else { return }
    guard let trustKey = try state.readText(TrustFiles.trustKey) else {
      throw StateError(
        "\(state.path)/\(TrustFiles.trustKey) is missing beside the key bundle; restore it from a backup")
    }
    let bundle = try Self.open(signed, trustKey: trustKey)
    let admin = try state.readText(TrustFiles.adminSPKI).flatMap { Checksum($0) }
    held.withLock { held in
      (held.trustKey, held.adminSPKI) = (trustKey, admin)
      adopt(bundle, &held)
    }
  }

  /// Files instead of claiming: a client CA and a JWKS of the owner's own making.
  public init(
    _ state: StateDirectory, storageID: FileID, time: any TimeSource, clientCA: String, keys: JSONWebKeySet
  ) {
    self.state = state
    self.time = time
    self.storageID = storageID.description
    audience = Self.audience(storageID)
    isFixed = true
    clock = OffsetTime(base: time, offsetMilliseconds: 0)
    held = Mutex(Held())
    let bundle = KeyBundle(version: 0, issuedAt: time.now(), issuer: "", keys: keys, clientCA: clientCA, trustKey: "")
    held.withLock { adopt(bundle, &$0) }
  }

  static func audience(_ storageID: FileID) -> String { "storage:\(storageID)" }

  public var bundleVersion: Int { held.withLock { $0.bundle?.version ?? 0 } }
  public var clientCA: String? { held.withLock { $0.bundle?.clientCA } }
  public var settings: ApplianceSettings { held.withLock { $0.settings } }
  var authorizer: BearerAuthorizer? { held.withLock { $0.authorizer } }
  var adminSPKI: Checksum? { held.withLock { $0.adminSPKI } }

  var revokedKeys: [Checksum] { held.withLock { $0.bundle?.revokedKeys ?? [] } }

  func isRevoked(_ spki: Checksum) -> Bool { held.withLock { $0.revoked.contains(spki) } }

  /// What a client of the site may do here by its certificate alone (DESIGN §4.7); nothing unless the bundle names it.
  func localScopes(of peer: PeerIdentity, spki: Checksum) -> Set<Scope> {
    guard peer.role == .client, let bundle = held.withLock({ $0.bundle }) else { return [] }
    return bundle.scopes(ofLocalClient: peer.uri, spki: spki, storageID: storageID, now: clock.now())
  }

  /// How the clock stands against the control plane's. Documents expire only while it is trusted.
  public var clockState: ClockState {
    ClockState(
      time: time.now(), offsetMilliseconds: clock.offsetMilliseconds, trusted: held.withLock { $0.clockTrusted })
  }

  /// New keys from the owner's file (files instead of claiming, on reload).
  public func replaceFiles(clientCA: String, keys: JSONWebKeySet) {
    precondition(isFixed)
    held.withLock { held in
      let bundle = KeyBundle(version: 0, issuedAt: time.now(), issuer: "", keys: keys, clientCA: clientCA, trustKey: "")
      adopt(bundle, &held)
    }
  }

  /// The first bundle of a fleet: it names the key that it and all later ones are signed with.
  func install(_ signed: SignedMessage, adminSPKI: Checksum) throws -> KeyBundle {
    let named = try Self.checked { () throws(SignedMessageError) in try signed.unverified(KeyBundle.self) }
    let bundle = try Self.open(signed, trustKey: named.trustKey)
    try state.write(TrustFiles.trustKey, Array(bundle.trustKey.utf8))
    try state.write(TrustFiles.bundle, json: signed)
    try state.write(TrustFiles.adminSPKI, Array(adminSPKI.description.utf8))
    held.withLock { held in
      (held.trustKey, held.adminSPKI) = (bundle.trustKey, adminSPKI)
      adopt(bundle, &held)
    }
    return bundle
  }

  /// A later bundle. An older or the same version changes nothing; the answer is the version now trusted.
  func deliver(_ signed: SignedMessage) throws -> Int {
    guard !isFixed, let trustKey = held.withLock({ $0.trustKey }) else {
      throw APIError(
        .conflict, "this appliance takes its keys from files; change SE_CLIENT_CA and SE_JWKS_FILE and reload")
    }
    let bundle = try Self.open(signed, trustKey: trustKey)
    guard bundle.trustKey == trustKey else {
      throw RecordValidation.refuse(
        "trust_key", "the bundle names another trust key; claim the appliance again to change it")
    }
    // One delivery at a time from the comparison to the file: two at once could leave the older one on disk.
    return try deliveries.withLock { _ in
      guard bundle.version > bundleVersion else { return bundleVersion }
      try state.write(TrustFiles.bundle, json: signed)
      held.withLock { adopt(bundle, &$0) }
      return bundle.version
    }
  }

  /// The control plane's time: tokens are checked by it from now on. Documents never expire by it. A claimed appliance
  /// believes it by the trust key's signature alone, and only as an answer to a reading of its own clock.
  func deliver(time delivery: TimeDelivery) throws -> ClockState {
    let delivered = try checked(delivery)
    let offset = delivered.since(time.now()).microseconds / 1000
    try state.write("clock.json", json: ClockFile(offsetMilliseconds: offset, deliveredAt: time.now()))
    clock.set(offsetMilliseconds: offset)
    held.withLock { $0.clockTrusted = Self.isTrusted(offset, $0.settings) }
    return clockState
  }

  private func checked(_ delivery: TimeDelivery) throws -> Timestamp {
    guard let trustKey = held.withLock({ $0.trustKey }) else { return delivery.time }
    guard let signed = delivery.signed else {
      throw APIError(.forbidden, "time: it is not signed; a claimed appliance takes its fleet's signed time only")
    }
    let key = try Self.checked { () throws(SignedMessageError) in try Self.publicKey(trustKey) }
    let said = try Self.checked { () throws(SignedMessageError) in try signed.open(SignedTime.self, by: key) }
    let now = time.now()
    let age = now.since(said.applianceTime)
    guard said.kind == SignedTime.kindName, said.storageID == storageID, age > .seconds(-1), age < SignedTime.ageMax
    else {
      throw APIError(.forbidden, "time: it is signed for another appliance or answers an old reading of the clock")
    }
    // What passed since the reading has passed there, too.
    return said.time + age
  }

  func deliver(settings newer: ApplianceSettings) throws -> ApplianceSettings {
    if let name = newer.displayName,
      !(1...100).contains(name.count) || name.unicodeScalars.contains(where: { $0.value < 32 })
    {
      throw RecordValidation.refuse("display_name", "must have 1–100 characters and no control characters")
    }
    if let seconds = newer.clockToleranceSeconds, !(1...86_400).contains(seconds) {
      throw RecordValidation.refuse("clock_tolerance_seconds", "must be from 1 to 86400")
    }
    let next = settings.updated(by: newer)
    try state.write("settings.json", json: next)
    held.withLock { held in
      held.settings = next
      held.clockTrusted = Self.isTrusted(clock.offsetMilliseconds, next)
    }
    return next
  }

  private func adopt(_ bundle: KeyBundle, _ held: inout Held) {
    held.bundle = bundle
    held.revoked = Set(bundle.revokedKeys)
    if let admin = bundle.adminSPKI { held.adminSPKI = admin }
    let verifier = TokenVerifier(
      issuer: bundle.issuer.isEmpty ? nil : bundle.issuer, audience: audience, keys: bundle.keys, time: clock)
    held.verifier = verifier
    held.authorizer = BearerAuthorizer(verifier: verifier, requiredPeerRoles: Self.tokenRoles)
  }

  private static func isTrusted(_ offset: Int64, _ settings: ApplianceSettings) -> Bool {
    offset.magnitude <= UInt64(settings.clockToleranceSeconds ?? 300) * 1000
  }

  private static func open(_ signed: SignedMessage, trustKey: String) throws -> KeyBundle {
    let key: PublicKey
    do { key = try publicKey(trustKey) } catch {
      throw RecordValidation.refuse("trust_key", "must be a public key (SPKI) in base64")
    }
    let bundle = try checked { () throws(SignedMessageError) in try signed.open(KeyBundle.self, by: key) }
    guard bundle.kind == KeyBundle.kindName, bundle.version > 0, bundle.version < 1 << 53 else {
      throw RecordValidation.refuse("key_bundle", "is no key bundle, or its version is not a positive number")
    }
    do { _ = try Certificate.chain(pem: bundle.clientCA) } catch {
      throw RecordValidation.refuse("client_ca", "must be one or more certificates in PEM")
    }
    return bundle
  }

  private static func publicKey(_ text: String) throws(SignedMessageError) -> PublicKey {
    guard let spki = Base64.standard.decode(text), let key = try? PublicKey(spki: spki) else {  // said in the error
      throw .malformed("the trust key is no public key")
    }
    return key
  }

  private static func checked<R>(_ body: () throws(SignedMessageError) -> R) throws(APIError) -> R {
    do { return try body() } catch {
      switch error {
      case .malformed(let reason): throw RecordValidation.refuse("key_bundle", reason)
      case .wrongSignature: throw APIError(.forbidden, "key_bundle: it is not signed by this fleet's trust key")
      }
    }
  }
}

/// `state/clock.json`.
struct ClockFile: Codable, Sendable {
  var offsetMilliseconds: Int64
  var deliveredAt: Timestamp
}
