import Catalogue
import Core
import Crypto
import HTTP
import Identity
import JWT
import Postgres
import StorageAPI
import Synchronization
import TLS
import Testing

@testable import Fleet

@Suite(.serialized) struct RevocationTests {
  @Test func aRevokedApplianceIsNotSpokenToAndNotClaimedAgainWithItsOldKey() async throws {
    let world = try await FleetWorld()
    let appliance = try FakeAppliance()
    try await appliance.serve { (url) async throws -> Void in
      let element = try await world.claim(appliance, url)
      let view = try await world.fleet.registry.revoke(element: element.id, reason: "stolen", by: FleetWorld.actor)
      #expect(view.revokedAt != nil && view.revokedReason == "stolen")
      #expect(view.element.status == .offline)
      let calls = appliance.state.withLock { $0.bundles.count }
      for role in [PeerRole.admin, .ingester, .query] {
        let client = try await world.fleet.access(as: role).client(for: element)
        let error = await #expect(throws: APIError.self) { _ = try await client.info() }
        #expect(error?.code == .storageElementUnavailable && error?.message.contains("revoked") == true)
      }
      #expect(try await world.fleet.health.poll(element).lastError?.contains("revoked") == true)
      #expect(try await world.fleet.registry.candidates(for: .permanent, size: 1).isEmpty)
      #expect(appliance.state.withLock { $0.bundles.count } == calls)
      // Its host makes it claimable again, and keeps the key.
      try appliance.tls.reload(
        .init(certificateChain: appliance.state.withLock { $0.certificate }, privateKey: try appliance.key.pem))
      let again = await #expect(throws: APIError.self) { _ = try await world.claim(appliance, url) }
      #expect(again?.message.contains("revoked") == true)
      let twice = await #expect(throws: APIError.self) {
        _ = try await world.fleet.registry.revoke(element: element.id, reason: "stolen", by: FleetWorld.actor)
      }
      #expect(twice?.code == .conflict)
      var filter = AuditFilter()
      filter.action = "key.revoke"
      let records = try await world.identity.audit.list(filter, limit: 10).items
      #expect(records.map(\.entry.target) == ["artstore://appliance/\(element.storageID)"])
      #expect(records.first?.entry.details["reason"] == .string("stolen"))
    }
  }

  @Test func aLocalClientComesIntoTheBundleAndLeavesItRevoked() async throws {
    let world = try await FleetWorld()
    let appliance = try FakeAppliance()
    try await appliance.serve { (url) async throws -> Void in
      let element = try await world.claim(appliance, url)
      let key = try PrivateKey.p256()
      let registry = world.fleet.registry
      var draft = LocalClientDraft(
        name: "scanner-7", csr: try CertificateRequest.make(key: key, commonName: "whatever").pem,
        scopes: ["files:read", "files:write"], elements: [element.id], days: 45)
      let made = try await registry.addLocalClient(draft, by: FleetWorld.actor)
      let chain = try Certificate.chain(pem: made.certificate)
      #expect(chain[0].identity?.uri == "artstore://client/scanner-7")
      #expect(chain[0].spkiHash == key.publicKey.spkiHash)
      #expect(try chain[0].isSigned(by: try Certificate(pem: world.fleet.authorityCertificate)))
      let access = try await world.fleet.access(as: .admin)
      func bundle() async throws -> KeyBundle {
        try await access.bundles.current().message.unverified(KeyBundle.self)
      }
      let named = try #require(try await bundle().localClients)
      #expect(named.map(\.identity) == ["artstore://client/scanner-7"])
      #expect(named[0].storageIDs == [appliance.storageID] && named[0].scopes == [.filesRead, .filesWrite])
      // Whoever looks twice sees the same bundle; the next contact delivers it.
      let looks = (try await bundle().version, try await bundle().version)
      #expect(looks.0 == looks.1)
      _ = try await world.fleet.health.poll(element)
      let delivered = try #require(appliance.state.withLock { $0.bundles.last }).unverified(KeyBundle.self)
      #expect(delivered.localClients == named)
      #expect(try await registry.view(element.id).alone.localClientDays ?? 0 > 44)
      let renewed = try await registry.renewLocalClient(made.entry.id, days: 10, by: FleetWorld.actor)
      #expect(renewed.entry.expiresAt < made.entry.expiresAt)
      try await registry.removeLocalClient(made.entry.id, reason: "gone", by: FleetWorld.actor)
      let after = try await bundle()
      #expect(after.localClients == nil && after.revokedKeys == [key.publicKey.spkiHash])
      let back = await #expect(throws: APIError.self) {
        _ = try await registry.addLocalClient(draft, by: FleetWorld.actor)
      }
      #expect(back?.code == .conflict)
      for (scopes, days) in [
        (["storage:write"], 10), (["files:read"], 46), ([], 10), (["files:read", "files:read"], 1),
      ] {
        (draft.scopes, draft.days) = (scopes, days)
        let error = await #expect(throws: APIError.self) {
          _ = try await registry.addLocalClient(draft, by: FleetWorld.actor)
        }
        #expect(error?.code == .validation)
      }
      var filter = AuditFilter()
      filter.action = "local_client"
      let actions = try await world.identity.audit.list(filter, limit: 10).items.map(\.entry.action)
      #expect(actions == ["local_client.delete", "local_client.renew", "local_client.create"])
    }
  }

  /// A replica that has not heard yet must not sign the stolen key back into trust under a higher number.
  @Test func aKeyTakenOutByOneReplicaIsNotBroughtBackByAnother() async throws {
    let one = try await FleetWorld()
    let two = try await FleetWorld(url: one.pool.configuration.url, masterKey: one.masterKey)
    let (a, b) = (try await one.fleet.access(as: .admin), try await two.fleet.access(as: .admin))
    let stolen = one.identity.keys.jwks
    #expect(try await b.bundles.current().message.unverified(KeyBundle.self).keys == stolen)
    _ = try await one.identity.keys.rotate(atOnce: true)
    let next = try await a.bundles.current()
    let other = try await b.bundles.current()
    #expect(other.version == next.version)
    let said = try other.message.unverified(KeyBundle.self).keys
    #expect(said == one.identity.keys.jwks && said != stolen)
  }
}
