import Core
import Crypto
import Reactor
import TLS
import TestKit
import Testing

/// The administrator's key is let in whatever the dates of its certificate say, and only that key, and as nobody.
@Suite(.timeLimit(.minutes(1)))
struct PinnedKeyTests {
  /// A fleet of two years ago, whose clients' certificates have expired since.
  let fleet: TestFleet
  let server: TestCredential
  let expired: TestCredential
  let loops: EventLoopGroup
  let pool = BlockingPool(name: "clients", threads: 2, queueLimit: 10)

  init() throws {
    fleet = try TestFleet(time: ManualTime(SystemTime().now() - .seconds(730 * 86_400)))
    server = try fleet.server(.appliance, validity: .seconds(3650 * 86_400))
    expired = try fleet.client(.admin)
    loops = try EventLoopGroup(loops: 1)
  }

  private func connect(
    showing credential: TestCredential, pinned: Checksum?, revoked: [Checksum] = []
  ) async throws -> (isConnected: Bool, seen: TestServer.Seen) {
    let context = try TLSServerContext(
      TLSServerConfiguration(
        certificateChain: server.certificatePEM, privateKey: server.keyPEM, clientAuthorities: fleet.authorityPEM,
        clientCertificate: .required, clientKeyPastDates: pinned, revokedClientKeys: revoked))
    let ends = TestServer.pair()
    async let seen = TestServer(loops: loops, context: context).serve(ends.server)
    let authority = fleet.authorityPEM
    let isConnected: Bool
    do {
      isConnected = try await pool.run {
        let client = try TestClient(descriptor: ends.client, trusting: authority, showing: credential)
        try client.handshake()
        try client.send([0, 0, 0, 0, 0, 0, 0, 1])
        return try client.receive(1).count == 1
      }
    } catch { isConnected = false }
    return (isConnected, await seen)
  }

  @Test func thePinnedKeyComesInAsNobody() async throws {
    let (isConnected, seen) = try await connect(showing: expired, pinned: expired.certificate.spkiHash)
    #expect(isConnected)
    #expect(seen.identity == nil, "whoever looks for an identity sees none")
    #expect(seen.spki == expired.certificate.spkiHash)
  }

  @Test func whileItsDatesFitItIsItself() async throws {
    let good = try fleet.client(.admin, validity: .seconds(3650 * 86_400))
    let (isConnected, seen) = try await connect(showing: good, pinned: good.certificate.spkiHash)
    #expect(isConnected && seen.identity?.role == .admin)
  }

  @Test func everyOtherExpiredKeyIsRefused() async throws {
    let other = try fleet.client(.admin)
    for pinned in [nil, other.certificate.spkiHash] {
      let (isConnected, seen) = try await connect(showing: expired, pinned: pinned)
      #expect(!isConnected && seen.failure != nil && seen.spki == nil)
    }
  }

  /// Among many, at any place in their order.
  @Test func aRevokedKeyIsRefusedInTheHandshake() async throws {
    let good = try fleet.client(.admin, validity: .seconds(3650 * 86_400))
    let others = (0..<40).map { SHA256.digest([UInt8($0)]) }
    let hash = good.certificate.spkiHash
    for revoked in [[hash], others + [hash], [hash] + others] {
      let (isConnected, seen) = try await connect(showing: good, pinned: nil, revoked: revoked)
      #expect(!isConnected && seen.failure != nil && seen.spki == nil)
      let pinned = try await connect(showing: expired, pinned: expired.certificate.spkiHash, revoked: revoked)
      #expect(pinned.isConnected)
    }
    #expect(try await connect(showing: good, pinned: nil, revoked: others).isConnected)
    let both = expired.certificate.spkiHash
    #expect(try await connect(showing: expired, pinned: both, revoked: [both]).isConnected == false)
  }

  @Test func thePinForgivesNothingButDates() async throws {
    let stranger = try TestFleet(name: "another").client(.admin)
    let thief = try fleet.server(.admin, name: "thief", validity: .seconds(86_400))
    for credential in [stranger, thief] {
      let (isConnected, seen) = try await connect(showing: credential, pinned: credential.certificate.spkiHash)
      #expect(!isConnected && seen.failure != nil && seen.spki == nil)
    }
  }
}
