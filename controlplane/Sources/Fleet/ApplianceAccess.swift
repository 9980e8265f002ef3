public import Catalogue
internal import Core
public import Crypto
internal import HTTPClient
internal import Identity
internal import StorageAPI
internal import Synchronization

/// How one control-plane role talks to appliances: its client certificate, its tokens, the key bundle it may deliver.
public final class ApplianceAccess: Sendable {
  public let role: PeerRole
  let http: HTTPClient
  let tokens: InternalTokens
  let bundles: KeyBundles
  let revoked: RevokedKeys
  let time: any TimeSource
  let random: any RandomSource
  private let authority: FleetAuthority
  private let key: PrivateKey
  private let life: Duration
  private let state = Mutex(State())

  private struct State {
    var certificate: Certificate?
    /// By storage id and key: a connection is reused only under the same object.
    var peers: [String: ClientTLS] = [:]
  }

  private static let peersMax = 10_000

  init(
    role: PeerRole, key: PrivateKey, authority: FleetAuthority, http: HTTPClient, tokens: InternalTokens,
    bundles: KeyBundles, revoked: RevokedKeys, life: Duration, time: any TimeSource, random: any RandomSource
  ) {
    self.role = role
    self.key = key
    self.authority = authority
    self.http = http
    self.tokens = tokens
    self.bundles = bundles
    self.revoked = revoked
    self.life = life
    self.time = time
    self.random = random
  }

  /// SHA-256 of this role's public key.
  var spkiHash: Checksum { key.publicKey.spkiHash }

  /// Calls to one appliance.
  public func client(for element: StorageElement) -> ApplianceClient { ApplianceClient(element: element, access: self) }

  /// Our certificate, and whoever answers: to learn who claims to stand at an address. Nothing it says is believed
  /// before it was repeated under `tls(for:)`.
  func tlsToAnybody() throws -> ClientTLS {
    let certificate = try authority.issue(role: role, key: key.publicKey, life: life)
    return ClientTLS(trust: .provenByCaller, certificate: certificate.pem, privateKey: try key.pem)
  }

  /// Our certificate, and the only peer accepted: signed by the fleet, of this identity, with the pinned key.
  /// `forgivingDates`: for the calls that mend an appliance whose certificate has ended meanwhile.
  func tls(for element: StorageElement, forgivingDates: Bool = false) throws -> ClientTLS {
    let now = time.now()
    let peer = "\(element.storageID) \(element.spki) \(forgivingDates)"
    return try state.withLock { state in
      // Past two thirds of its life a new one is made, and with it new connections.
      if let held = state.certificate, now < held.notAfter - life / 3, let known = state.peers[peer] { return known }
      let certificate: Certificate
      if let held = state.certificate, now < held.notAfter - life / 3 {
        certificate = held
      } else {
        certificate = try authority.issue(role: role, key: key.publicKey, life: life)
        state.certificate = certificate
        state.peers = [:]
      }
      guard let identity = PeerIdentity(role: .appliance, name: element.storageID) else {
        throw FleetError("'\(element.storageID)' is no appliance's name")
      }
      let fresh = ClientTLS(
        trust: .identity(authorities: authority.authority.certificate.pem, uri: identity.uri),
        certificate: certificate.pem, privateKey: try key.pem, pinnedSPKI: element.spki, forgivesDates: forgivingDates)
      if state.peers.count >= Self.peersMax { state.peers = [:] }
      state.peers[peer] = fresh
      return fresh
    }
  }
}
