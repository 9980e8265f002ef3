public import Core
internal import Crypto
internal import StorageAPI

/// `state/claim.json`: where the claim stands. The daemon and `artstore-appliance claim-code` meet here: the command
/// may
/// write a new offer while the daemon runs, and the daemon reads it at the next `hello`.
struct ClaimFile: Codable, Sendable {
  enum PhaseName: String, Codable { case offered, installed, bound }

  var version = 1
  var phase: PhaseName
  /// Hexadecimal; gone once bound.
  var secret: String?
  var expiresAt: Timestamp?
  var trustKey: String?

  enum CodingKeys: String, CodingKey {
    case version, phase, secret
    case expiresAt = "expires_at"
    case trustKey = "trust_key"
  }

  static let name = "claim.json"

  init(_ phase: ClaimMachine.Phase) {
    switch phase {
    case .offered(let offer):
      self.phase = .offered
      (secret, expiresAt) = (Hex.encode(offer.secret), offer.expiresAt)
    case .installed(let offer, let key):
      self.phase = .installed
      (secret, expiresAt, trustKey) = (Hex.encode(offer.secret), offer.expiresAt, key)
    case .bound: self.phase = .bound
    }
  }

  /// Throws when the file does not hold together.
  func machinePhase() throws(StateError) -> ClaimMachine.Phase {
    if phase == .bound { return .bound }
    guard version == 1, let bytes = secret.flatMap({ Hex.decode($0) }), bytes.count == ClaimCode.secretByteCount,
      let expiresAt
    else {
      throw StateError("state/claim.json is damaged: it has no whole secret; remove it and restart to get a new code")
    }
    let offer = ClaimOffer(secret: bytes, expiresAt: expiresAt)
    guard phase == .installed else { return .offered(offer) }
    guard let trustKey else { throw StateError("state/claim.json is damaged: it does not say which fleet has claimed") }
    return .installed(offer, trustKey: trustKey)
  }

  static func load(_ state: StateDirectory) throws(StateError) -> ClaimMachine.Phase? {
    try state.readJSON(ClaimFile.self, name)?.machinePhase()
  }

  static func save(_ phase: ClaimMachine.Phase, in state: StateDirectory) throws(StateError) {
    try state.write(name, json: ClaimFile(phase))
  }
}

/// What `artstore-appliance claim-code` prints.
public struct PrintedClaimCode: Sendable {
  public let text: String
  public let expiresAt: Timestamp

  public enum Problem: Error, Sendable { case claimedAlready }

  /// The current code, or a new one when it has expired. With `again` the appliance forgets its fleet (daemon
  /// stopped!).
  public static func current(
    _ state: StateDirectory, identity: ApplianceIdentity, again: Bool, time: any TimeSource, random: any RandomSource
  ) throws -> PrintedClaimCode {
    var phase = try ClaimFile.load(state)
    if again {
      for name in TrustFiles.all { try state.remove(name) }
      phase = nil
    }
    let offer: ClaimOffer
    switch phase {
    case .bound: throw Problem.claimedAlready
    case .offered(let held) where held.expiresAt > time.now(): offer = held
    case .installed(let held, _) where held.expiresAt > time.now(): offer = held
    case .installed(_, let trustKey):
      offer = .fresh(time: time, random: random)
      try ClaimFile.save(.installed(offer, trustKey: trustKey), in: state)
    case .offered, nil:
      offer = .fresh(time: time, random: random)
      try ClaimFile.save(.offered(offer), in: state)
    }
    guard let code = ClaimCode(secret: offer.secret, spkiHash: identity.certificate.spkiHash) else {
      preconditionFailure("an offer's secret always has the code's length")
    }
    return PrintedClaimCode(text: code.text, expiresAt: offer.expiresAt)
  }
}

enum TrustFiles {
  static let bundle = "trust/bundle.json"
  static let trustKey = "trust/trust-key"
  static let adminSPKI = "trust/admin-spki"
  static let all = [bundle, trustKey, adminSPKI]
}
