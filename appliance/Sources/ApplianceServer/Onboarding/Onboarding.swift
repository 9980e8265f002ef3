public import Core
internal import Crypto
internal import HTTP
public import JWT
internal import StorageAPI
internal import Synchronization
public import Telemetry

/// Who this appliance is and who may claim it: the shell around `ClaimMachine`. Every change is written to `state/`
/// before it counts, and then told to the listeners.
public final class Onboarding: Sendable {
  /// What the listeners show and ask for.
  public struct Presentation: Sendable {
    public enum ClientCertificate: Sendable, Hashable { case none, optional, required }
    public let identity: ApplianceIdentity
    public let clientCA: String?
    public let clientCertificate: ClientCertificate
    /// The administrator's key: let in whatever the dates in its certificate say.
    public let pinnedKey: Checksum?
    /// Client keys that are refused in the handshake.
    public let revokedKeys: [Checksum]
  }

  private struct Held {
    var machine: ClaimMachine
    var identity: ApplianceIdentity
    var pendingRefusals = 0
  }

  public let storageID: FileID
  let trust: Trust
  private let held: Mutex<Held>
  private let state: StateDirectory
  private let time: any TimeSource
  private let random: any RandomSource
  let logger: Logger
  private let listener = Mutex<(@Sendable (Presentation) -> Void)?>(nil)

  /// Wrong proofs that wait for their late answer at once; more are told to come later.
  static let pendingRefusalsMax = 16

  /// Claimed or to be claimed: loads where it stands; makes a first claim code when there is none.
  public init(
    _ state: StateDirectory, identity: ApplianceIdentity, trust: Trust, storageID: FileID, time: any TimeSource,
    random: any RandomSource, logger: Logger
  ) throws {
    let phase: ClaimMachine.Phase
    if trust.isFixed {
      phase = .bound
    } else if let saved = try ClaimFile.load(state) {
      phase = saved
    } else {
      phase = .offered(.fresh(time: time, random: random))
      try ClaimFile.save(phase, in: state)
    }
    self.state = state
    self.trust = trust
    self.storageID = storageID
    self.time = time
    self.random = random
    self.logger = logger
    held = Mutex(Held(machine: ClaimMachine(phase: phase), identity: identity))
  }

  public var identity: ApplianceIdentity { held.withLock { $0.identity } }

  /// False until a control plane has installed its certificate.
  public var isClaimed: Bool {
    held.withLock { if case .offered = $0.machine.phase { false } else { true } }
  }

  /// Whether documents may expire by this machine's clock.
  public var isClockTrusted: Bool { trust.clockState.trusted }

  /// What the fleet has set: upkeep stands still.
  public var isUpkeepPaused: Bool { trust.settings.upkeepPaused ?? false }

  /// Called after each change that the listeners must show, and once now.
  public func present(to listener: @escaping @Sendable (Presentation) -> Void) {
    self.listener.withLock { $0 = listener }
    announce()
  }

  /// Takes what the owner has replaced in their files (files instead of claiming).
  public func reload(identity: ApplianceIdentity, clientCA: String, keys: JSONWebKeySet) {
    trust.replaceFiles(clientCA: clientCA, keys: keys)
    held.withLock { $0.identity = identity }
    announce()
  }

  public var presentation: Presentation {
    let (phase, identity) = held.withLock { ($0.machine.phase, $0.identity) }
    let clientCA = trust.clientCA
    let asked: Presentation.ClientCertificate =
      switch phase {
      case .offered: .none
      case .installed: clientCA == nil ? .none : .optional
      case .bound: .required
      }
    return Presentation(
      identity: identity, clientCA: clientCA, clientCertificate: asked, pinnedKey: trust.adminSPKI,
      revokedKeys: trust.revokedKeys)
  }

  func announce() {
    let current = presentation
    listener.withLock { $0 }?(current)
  }

  // MARK: Claiming

  func hello(connection: [UInt8], nonce: String) throws -> [UInt8] {
    // A new code may have been printed on the host since.
    switch try ClaimFile.load(state) {
    case .offered(let offer), .installed(let offer, _): held.withLock { $0.machine.renew(offer) }
    case .bound, nil: break
    }
    let fresh = random.bytes(ClaimProof.nonceByteCount)
    try held.withLock { held in
      try held.machine.hello(
        connection: connection, nonce: nonce, fresh: fresh, now: time.now(), uptime: time.uptime())
    }
    return fresh
  }

  /// The appliance's own proof and a CSR; a wrong proof is answered late, then refused.
  func prove(connection: [UInt8], proof: String) async throws -> (proof: [UInt8], csr: String) {
    let verdict = try held.withLock { held in
      try held.machine.prove(
        connection: connection, proof: proof, spkiHash: held.identity.certificate.spkiHash, now: time.now(),
        uptime: time.uptime())
    }
    switch verdict {
    case .accepted(let own):
      return (own, try request())
    case .wrong(let delay):
      logger.warning("a claim brought a wrong proof", ["answered_after_ms": .milliseconds(delay)])
      let mayWait = held.withLock { held in
        guard held.pendingRefusals < Self.pendingRefusalsMax else { return false }
        held.pendingRefusals += 1
        return true
      }
      guard mayWait else {
        throw APIError(.rateLimited, "too many wrong proofs at once; try again later", headers: ["Retry-After": "10"])
      }
      defer { held.withLock { $0.pendingRefusals -= 1 } }
      try await Task.sleep(for: delay)
      throw APIError(
        .forbidden, "the proof is wrong: the claim code is not this appliance's, or somebody stands between")
    }
  }

  /// Takes the fleet's certificate and keys. All or nothing as far as the claim is concerned: the phase is written
  /// last.
  func install(connection: [UInt8], _ installation: ClaimInstallation) throws -> Int {
    let named = try unverifiedTrustKey(installation.keyBundle)
    try held.withLock { held in
      try held.machine.mayInstall(connection: connection, trustKey: named, now: time.now(), uptime: time.uptime())
    }
    guard let admin = Checksum(installation.adminSPKI) else {
      throw RecordValidation.refuse("admin_spki", "must be a SHA-256 in hexadecimal")
    }
    _ = try checked(chain: installation.certificate)
    if let settings = installation.settings { _ = try trust.deliver(settings: settings) }
    let bundle = try trust.install(installation.keyBundle, adminSPKI: admin)
    let next = try identity.renewed(chain: installation.certificate, in: state)
    let phase = held.withLock { held in
      held.machine.installed(connection: connection, trustKey: bundle.trustKey)
      held.identity = next
      return held.machine.phase
    }
    try ClaimFile.save(phase, in: state)
    logger.notice("claimed", ["storage_id": .text(storageID), "trust_version": .integer(bundle.version)])
    announce()
    return bundle.version
  }

  /// Told for each request with a verified client certificate.
  func noteMutualContact() throws(APIError) {
    guard held.withLock({ $0.machine.mutualContact() }) else { return }
    do { try ClaimFile.save(.bound, in: state) } catch {
      throw APIError(.internalError, "the claim could not be recorded; see the appliance's log", cause: error)
    }
    logger.notice("first contact over mutual TLS; the claim code is void", ["storage_id": .text(storageID)])
    announce()
  }

  // MARK: Renewal

  func request() throws -> String {
    try CertificateRequest.make(key: identity.key, commonName: storageID.description).pem
  }

  /// The renewed certificate shown from now on.
  func renew(chain: String) throws -> Certificate {
    guard !trust.isFixed else {
      throw APIError(.conflict, "this appliance takes its certificate from SE_TLS_CERT; replace the file and reload")
    }
    _ = try checked(chain: chain)
    let next = try identity.renewed(chain: chain, in: state)
    held.withLock { $0.identity = next }
    logger.notice("certificate renewed", ["not_after": .text(next.certificate.notAfter)])
    announce()
    return next.certificate
  }

  private func checked(chain: String) throws(APIError) -> ApplianceIdentity {
    let next: ApplianceIdentity
    do { next = try ApplianceIdentity(key: identity.key, chain: chain) } catch {
      throw RecordValidation.refuse(
        "certificate", "must be a PEM chain whose first certificate is for this appliance's key")
    }
    guard next.certificate.identity?.role == .appliance else {
      throw RecordValidation.refuse("certificate", "its subject alternative name must be artstore://appliance/…")
    }
    return next
  }

  private func unverifiedTrustKey(_ signed: SignedMessage) throws(APIError) -> String {
    do { return try signed.unverified(KeyBundle.self).trustKey } catch {
      throw RecordValidation.refuse("key_bundle", "is no signed key bundle")
    }
  }
}
