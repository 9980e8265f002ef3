import TLS
import Catalogue
import Core
import Crypto
import HTTP
import Identity
import JWT
import Postgres
import StorageAPI
import Synchronization
import Testing

@testable import Fleet

@Suite(.serialized) struct ClaimTests {
  @Test func aClaimLeavesTrustAndARowAndOnlyMutualTLSWorksAfterwards() async throws {
    let world = try await FleetWorld()
    let appliance = try FakeAppliance()
    try await appliance.serve { (url) async throws -> Void in
      let seen = try await world.fleet.registry.discover(url: url)
      #expect(seen.storageID == appliance.storageID)
      #expect(seen.spki == appliance.key.publicKey.spkiHash)
      let element = try await world.claim(appliance, url)
      #expect(element.status == .online)
      #expect(element.mode == .rw)
      let installation = try #require(appliance.state.withLock { $0.installation })
      let chain = try Certificate.chain(pem: installation.certificate)
      #expect(chain[0].identity?.uri == "artstore://appliance/\(appliance.storageID)")
      #expect(try chain[0].isSigned(by: try Certificate(pem: installation.clientCA)))
      let bundle = try installation.keyBundle.unverified(KeyBundle.self)
      let trust = try PublicKey(spki: Base64.standard.decode(bundle.trustKey) ?? [])
      #expect(try installation.keyBundle.open(KeyBundle.self, by: trust).keys == world.identity.keys.jwks)
      // The administrator's key is the one pinned, and it stays the same for other replicas.
      let admin = try await world.fleet.access(as: .admin)
      #expect(installation.adminSPKI == admin.spkiHash.description)
      let info = try await admin.client(for: element).info()
      #expect(info.storageID == appliance.storageID)
      #expect(try await world.fleet.registry.discover(url: url).known?.id == element.id)
    }
  }

  @Test func aCodeOfAnotherApplianceInstallsNothing() async throws {
    let world = try await FleetWorld()
    let appliance = try FakeAppliance()
    let stranger = try FakeAppliance()
    try await appliance.serve { (url) async throws -> Void in
      let error = await #expect(throws: APIError.self) {
        _ = try await world.fleet.registry.claim(
          name: "x", url: url, code: stranger.code.text, by: FleetWorld.actor)
      }
      #expect(error?.code == .conflict)
      let mistyped = await #expect(throws: APIError.self) {
        _ = try await world.fleet.registry.claim(name: "x", url: url, code: "ABCDE-12345", by: FleetWorld.actor)
      }
      #expect(mistyped?.code == .validation)
    }
    #expect(appliance.state.withLock { $0.installation == nil })
    #expect(try await world.fleet.registry.list().isEmpty)
  }

  @Test func aWrongSecretIsRefusedByTheAppliance() async throws {
    let world = try await FleetWorld()
    let appliance = try FakeAppliance()
    let wrong = try #require(
      ClaimCode(secret: Array(repeating: 9, count: 10), spkiHash: appliance.key.publicKey.spkiHash))
    try await appliance.serve { (url) async throws -> Void in
      let error = await #expect(throws: APIError.self) {
        _ = try await world.fleet.registry.claim(name: "x", url: url, code: wrong.text, by: FleetWorld.actor)
      }
      #expect(error?.code == .conflict)
      #expect(error?.message == "the proof is wrong")
    }
    #expect(appliance.state.withLock { $0.installation == nil })
    #expect(try await world.fleet.registry.list().isEmpty)
    var filter = AuditFilter()
    filter.action = "storage_element.claim"
    let records = try await world.identity.audit.list(filter, limit: 10).items
    #expect(records.map(\.entry.result) == [.refused])
  }

  @Test func claimingAgainRenewsTheSameRow() async throws {
    let world = try await FleetWorld()
    let appliance = try FakeAppliance()
    try await appliance.serve { (url) async throws -> Void in
      let first = try await world.claim(appliance, url)
      try appliance.tls.reload(
        .init(
          certificateChain: appliance.state.withLock { $0.certificate }, privateKey: try appliance.key.pem))
      let second = try await world.claim(appliance, url, name: "renamed")
      #expect(second.id == first.id)
      #expect(try await world.fleet.registry.list().map(\.name) == ["renamed"])
    }
  }

  @Test func replicasShareTheFleetsKeysAndBundleVersions() async throws {
    let one = try await FleetWorld()
    let two = try await FleetWorld(url: one.pool.configuration.url, masterKey: one.masterKey)
    #expect(one.fleet.authorityCertificate == two.fleet.authorityCertificate)
    let (a, b) = (try await one.fleet.access(as: .admin), try await two.fleet.access(as: .admin))
    #expect(a.spkiHash == b.spkiHash)
    let first = try await a.bundles.current()
    #expect(try await b.bundles.current().version == first.version)
    try await one.pool.query(
      "INSERT INTO fleet_revoked_keys (spki, reason) VALUES (\(SHA256.digest([1])), 'lost')")
    let next = try await b.bundles.current()
    #expect(next.version == first.version + 1)
    #expect(try next.message.unverified(KeyBundle.self).revokedKeys == [SHA256.digest([1])])
    #expect(try await a.bundles.current().message == next.message)
  }

  @Test func anUnknownSigningKeyIsMendedByDeliveringTheBundle() async throws {
    let world = try await FleetWorld()
    let appliance = try FakeAppliance()
    try await appliance.serve { (url) async throws -> Void in
      let element = try await world.claim(appliance, url)
      let record = FakeAppliance.record()
      appliance.store(record)
      appliance.state.withLock { $0.forgetsKeys = 1 }
      let before = appliance.state.withLock { $0.bundles.count }
      let client = try await world.fleet.access(as: .admin).client(for: element)
      #expect(try await client.record(record.fileID)?.record == record)
      #expect(appliance.state.withLock { $0.bundles.count } == before + 1)
      // Once only: an appliance that never believes us must not keep us busy.
      appliance.state.withLock { $0.forgetsKeys = 2 }
      let error = await #expect(throws: APIError.self) { _ = try await client.record(record.fileID) }
      #expect(error?.code == .storageElementUnavailable)
    }
  }

  @Test func anApplianceThatIsGoneIsOfflineNotAnError() async throws {
    let world = try await FleetWorld()
    let appliance = try FakeAppliance()
    let element = try await appliance.serve { url in try await world.claim(appliance, url) }
    #expect(try await world.fleet.health.poll(element).status == .offline)
    #expect(try await world.fleet.registry.candidates(for: .permanent, size: 1).isEmpty)
    let error = await #expect(throws: APIError.self) { _ = try await world.sync(element) }
    #expect(error?.code == .storageElementUnavailable)
  }
}
