internal import Core
internal import HTTP
internal import StorageAPI

/// The claim protocol's rules without any I/O: events in, verdicts out. `Claims` is the shell that reads requests,
/// waits, writes files. Time is the machine's uptime for sessions and civil time for the code's 24 hours.
struct ClaimMachine: Sendable {
  /// Sessions live in memory, one per TLS connection (its exporter), so a proof is bound to the connection it was
  /// made on.
  struct Session: Sendable, Equatable {
    let controlPlaneNonce: [UInt8]
    let applianceNonce: [UInt8]
    let began: Duration
    var isProven = false
  }

  enum Phase: Sendable, Equatable {
    /// Nobody has claimed this appliance; `offer` is what the claim code says.
    case offered(ClaimOffer)
    /// Claimed, but no caller has come with a client certificate yet: the fleet with this trust key may repeat.
    case installed(ClaimOffer, trustKey: String)
    /// Mutual TLS has worked: the secret is forgotten.
    case bound
  }

  enum ProofVerdict: Sendable, Equatable {
    /// The appliance's own proof.
    case accepted([UInt8])
    /// Answer 403 after this long.
    case wrong(delay: Duration)
  }

  static let sessionsMax = 32
  static let sessionLifetime = Duration.seconds(120)
  static let delayMax = Duration.seconds(8)

  var phase: Phase
  private(set) var sessions: [[UInt8]: Session] = [:]
  private(set) var wrongProofs = 0

  init(phase: Phase) { self.phase = phase }

  /// Begins a session on a connection. `nonce` is the control plane's in hex, `fresh` the appliance's.
  mutating func hello(
    connection: [UInt8], nonce: String, fresh: [UInt8], now: Timestamp, uptime: Duration
  ) throws(APIError) {
    _ = try offer(now: now)
    guard let theirs = Hex.decode(nonce), theirs.count == ClaimProof.nonceByteCount else {
      throw RecordValidation.refuse("nonce", "must be \(ClaimProof.nonceByteCount) random bytes in hexadecimal")
    }
    sessions = sessions.filter { uptime - $0.value.began < Self.sessionLifetime }
    if sessions.count >= Self.sessionsMax, let oldest = sessions.min(by: { $0.value.began < $1.value.began }) {
      sessions[oldest.key] = nil
    }
    sessions[connection] = Session(controlPlaneNonce: theirs, applianceNonce: fresh, began: uptime)
  }

  /// Checks the control plane's proof. A wrong one ends the session and makes the next answer to a wrong one later.
  mutating func prove(
    connection: [UInt8], proof: String, spkiHash: Checksum, now: Timestamp, uptime: Duration
  ) throws(APIError) -> ProofVerdict {
    let offer = try offer(now: now)
    guard var session = sessions[connection], uptime - session.began < Self.sessionLifetime, !session.isProven else {
      throw APIError(
        .validation, "step: this connection has not said hello, or too long ago; begin again with step hello")
    }
    func make(_ role: ClaimProof.Role) -> [UInt8] {
      ClaimProof.make(
        secret: offer.secret, role: role, exporter: connection, spkiHash: spkiHash,
        controlPlaneNonce: session.controlPlaneNonce, applianceNonce: session.applianceNonce)
    }
    guard ClaimProof.verify(proof, equals: make(.controlplane)) else {
      sessions[connection] = nil
      wrongProofs += 1
      return .wrong(delay: min(.milliseconds(250) * (1 << min(wrongProofs - 1, 6)), Self.delayMax))
    }
    session.isProven = true
    sessions[connection] = session
    return .accepted(make(.appliance))
  }

  /// Whether this connection may install, and whether that fleet may. The caller installs, then calls `installed`.
  func mayInstall(connection: [UInt8], trustKey: String, now: Timestamp, uptime: Duration) throws(APIError) {
    _ = try offer(now: now)
    guard let session = sessions[connection], session.isProven, uptime - session.began < Self.sessionLifetime else {
      throw APIError(.forbidden, "this connection has not proven that it knows the claim code; begin with step hello")
    }
    if case .installed(_, let pinned) = phase, pinned != trustKey {
      throw APIError(
        .conflict,
        "another control plane has claimed this appliance; on its host run 'artstore-appliance claim-code --again'"
      )
    }
  }

  mutating func installed(connection: [UInt8], trustKey: String) {
    sessions[connection] = nil
    wrongProofs = 0
    switch phase {
    case .offered(let offer), .installed(let offer, _): phase = .installed(offer, trustKey: trustKey)
    case .bound: break
    }
  }

  /// A caller came with a client certificate. True when that ended the time in which the claim may be repeated.
  mutating func mutualContact() -> Bool {
    guard case .installed = phase else { return false }
    phase = .bound
    sessions = [:]
    return true
  }

  /// A new code was printed on the host. Sessions begun under the old one end.
  mutating func renew(_ offer: ClaimOffer) {
    switch phase {
    case .offered(let old) where old != offer:
      phase = .offered(offer)
      sessions = [:]
    case .installed(let old, let trustKey) where old != offer:
      phase = .installed(offer, trustKey: trustKey)
      sessions = [:]
    default: break
    }
  }

  private func offer(now: Timestamp) throws(APIError) -> ClaimOffer {
    switch phase {
    case .offered(let offer), .installed(let offer, _):
      guard now < offer.expiresAt else {
        throw APIError(
          .conflict,
          "the claim code has expired; run 'artstore-appliance claim-code' on the appliance's host for a new one")
      }
      return offer
    case .bound:
      throw APIError(
        .conflict,
        "this appliance is claimed already; to claim it again run 'artstore-appliance claim-code --again' on its host")
    }
  }
}

/// The secret behind a claim code, and until when it counts.
struct ClaimOffer: Sendable, Equatable {
  /// 10 bytes.
  let secret: [UInt8]
  let expiresAt: Timestamp

  static let lifetime = Duration.seconds(24 * 3600)

  static func fresh(time: any TimeSource, random: any RandomSource) -> ClaimOffer {
    ClaimOffer(secret: random.bytes(ClaimCode.secretByteCount), expiresAt: time.now() + lifetime)
  }
}
