import Catalogue
import Core
import Crypto
import HTTP
import Identity
import Postgres
import StorageAPI
import Synchronization
import TestKit
import Testing

@testable import Fleet

/// What has gone wrong with keys, certificates or the database, and how it is mended.
@Suite(.serialized) struct RecoveryTests {
  /// A certificate of the fleet for the appliance that ended most of an hour ago.
  private func expired(_ world: FleetWorld, _ appliance: FakeAppliance) throws -> String {
    let authority = world.fleet.registry.authority.authority
    return try authority.issue(
      to: appliance.key.publicKey, identity: PeerIdentity(role: .appliance, name: appliance.storageID)!,
      usage: .server, hosts: ["127.0.0.1"], validity: .seconds(60),
      time: ManualTime(SystemTime().now() - .seconds(3000)), random: SystemRandom()
    ).pem
  }

  private func audited(_ world: FleetWorld, _ action: String) async throws -> Int {
    var filter = AuditFilter()
    filter.action = action
    return try await world.identity.audit.list(filter, limit: 10).total
  }

  @Test func anExpiredApplianceIsMendedByItsPinnedKeyAndByNothingElse() async throws {
    let world = try await FleetWorld()
    let appliance = try FakeAppliance()
    try await appliance.serve { (url) async throws -> Void in
      let element = try await world.claim(appliance, url)
      try appliance.show(try expired(world, appliance))
      appliance.state.withLock { $0.certificateEnds = SystemTime().now() - .seconds(2900) }
      // Documents do not travel under a certificate that has ended.
      let fresh = try await world.fleet.access(as: .query).client(for: element)
      let error = await #expect(throws: APIError.self) { _ = try await fresh.record(.lowest) }
      #expect(error?.message == ApplianceClient.untrustedMessage)
      let polled = try await world.fleet.health.poll(element)
      #expect(polled.status == .online)
      #expect(try #require(polled.certificateExpiresAt) > SystemTime().now() + .seconds(80 * 86_400))
      #expect(try await fresh.record(.lowest) == nil)
      #expect(try await audited(world, "storage_element.certificate_renewed") == 1)
      // The same with another key: dates are forgiven to the pinned one only.
      var other = element
      other.spki = SHA256.digest([1])
      try appliance.show(try expired(world, appliance))
      let stranger = try await world.fleet.access(as: .admin).client(for: other)
      await #expect(throws: APIError.self) { _ = try await stranger.info() }
    }
  }

  @Test func aDifferingClockIsToldTheTimeSigned() async throws {
    let world = try await FleetWorld()
    let appliance = try FakeAppliance()
    try await appliance.serve { (url) async throws -> Void in
      let element = try await world.claim(appliance, url)
      appliance.state.withLock { $0.clockAhead = .seconds(3600) }
      _ = try await world.fleet.health.poll(element)
      let delivery = try #require(appliance.state.withLock { $0.times.last })
      let signed = try #require(delivery.signed)
      let trust = world.fleet.registry.authority.trustKey.publicKey
      let said = try signed.open(SignedTime.self, by: trust)
      #expect(said.storageID == appliance.storageID)
      let difference = said.applianceTime.since(said.time).inSeconds
      #expect(abs(difference - 3600) < 5, "\(difference)")
      // The registry says so, and the audit trail once for each turn.
      let wrong = try await world.fleet.registry.get(element.id)
      #expect(wrong.isClockWrong && abs((wrong.clockOffsetMilliseconds ?? 0) - 3_600_000) < 5000)
      _ = try await world.fleet.health.poll(wrong)
      #expect(try await audited(world, "storage_element.clock_wrong") == 1)
      #expect(try await audited(world, "storage_element.clock_right") == 0)
      appliance.state.withLock { $0.clockAhead = .seconds(20) }
      let right = try await world.fleet.health.poll(wrong)
      #expect(!right.isClockWrong)
      _ = try await world.fleet.health.poll(right)
      #expect(try await audited(world, "storage_element.clock_right") == 1)
    }
  }

  @Test func anApplianceThatTheDatabaseForgotIsRegisteredWithoutACode() async throws {
    let world = try await FleetWorld()
    let appliance = try FakeAppliance()
    try await appliance.serve { (url) async throws -> Void in
      let registry = world.fleet.registry
      let first = try await world.claim(appliance, url)
      let twice = await #expect(throws: APIError.self) {
        _ = try await registry.register(name: "again", url: url, by: FleetWorld.actor)
      }
      #expect(twice?.code == .conflict)
      // A database from before the claim; the appliance has seen bundles that it does not know of.
      try await world.pool.query("DELETE FROM storage_elements")
      appliance.state.withLock { $0.trustVersionMin = 40 }
      let again = try await registry.register(name: "again", url: url, by: FleetWorld.actor)
      #expect(again.id != first.id && again.storageID == first.storageID && again.spki == first.spki)
      #expect(again.status == .online && again.fullSyncNeeded)
      let bundle = try #require(appliance.state.withLock { $0.bundles.last }).unverified(KeyBundle.self)
      #expect(bundle.version == 41, "a lower number would be ignored for good")
      #expect(try await audited(world, "storage_element.register") == 2)
    }
  }

  @Test func whoIsNotOfTheFleetIsNotRegistered() async throws {
    let world = try await FleetWorld()
    let other = try await FleetWorld()
    let foreign = try FakeAppliance()
    let unclaimed = try FakeAppliance(storageID: "5c1d9a0e-0000-4000-8000-000000000002")
    try await foreign.serve { (url) async throws -> Void in
      _ = try await other.claim(foreign, url)
      let error = await #expect(throws: APIError.self) {
        _ = try await world.fleet.registry.register(name: "x", url: url, by: FleetWorld.actor)
      }
      #expect([.storageElementUnavailable, .conflict].contains(error?.code))
    }
    try await unclaimed.serve { (url) async throws -> Void in
      let error = await #expect(throws: APIError.self) {
        _ = try await world.fleet.registry.register(name: "x", url: url, by: FleetWorld.actor)
      }
      #expect(error?.code == .conflict)
    }
    #expect(try await world.fleet.registry.list().isEmpty)
  }

  /// Somebody stands at a known appliance's address: another member of the fleet, or a machine in the middle with a
  /// certificate of its own.
  @Test func anotherCertificateAtTheAddressIsAStateOfItsOwnAndAudited() async throws {
    let world = try await FleetWorld()
    let one = try FakeAppliance()
    let two = try FakeAppliance(storageID: "5c1d9a0e-0000-4000-8000-000000000002")
    try await one.serve { (url) async throws -> Void in
      let element = try await world.claim(one, url)
      try await two.serve { (second) async throws -> Void in
        _ = try await world.claim(two, second, name: "two")
        var moved = element
        moved.url = second
        let polled = try await world.fleet.health.poll(moved)
        #expect(polled.status == .offline && polled.lastError == ApplianceClient.untrustedMessage)
        moved.lastError = polled.lastError
        _ = try await world.fleet.health.poll(moved)
        #expect(try await audited(world, "storage_element.untrusted") == 1, "once, not at each poll")
      }
      #expect(try await world.fleet.health.poll(element).status == .online)
    }
  }

  /// One that takes the appliance's place at the claim, or stands between with a TLS connection on either side: it can
  /// show its own key, which is not the code's, or relay the appliance's words, which fit another connection.
  @Test func aMachineInTheMiddleOfAClaimGetsNothingAndIsAudited() async throws {
    let world = try await FleetWorld()
    let appliance = try FakeAppliance()
    let middle = try FakeAppliance()
    try await middle.serve { (url) async throws -> Void in
      let error = await #expect(throws: APIError.self) { _ = try await world.claim(appliance, url) }
      #expect(error?.code == .conflict && error?.message.contains("not the one the claim code was printed") == true)
    }
    // It knows the hash in the code, but not the secret: it takes any proof and makes up its own.
    let impostor = try FakeAppliance(sharingKeyOf: appliance)
    impostor.state.withLock { $0.provesFalsely = true }
    try await impostor.serve { (url) async throws -> Void in
      let error = await #expect(throws: APIError.self) { _ = try await world.claim(appliance, url) }
      #expect(error?.code == .conflict && error?.message.contains("somebody stands between") == true)
    }
    #expect(middle.state.withLock { $0.installation == nil } && impostor.state.withLock { $0.installation == nil })
    #expect(try await world.fleet.registry.list().isEmpty)
    #expect(try await audited(world, "storage_element.claim") == 2)
  }

  @Test func theFleetsKeysComeBackFromTheirCopy() async throws {
    let world = try await FleetWorld()
    let other = try await FleetWorld()
    func keyring(_ world: FleetWorld) -> FleetKeyring {
      FleetKeyring(
        pool: world.pool, masterKey: world.masterKey, audit: world.identity.audit, time: SystemTime(),
        random: SystemRandom())
    }
    let operators = try MasterKey(bytes: SystemRandom().bytes(32))
    let copy = try await keyring(world).backup(sealedBy: operators)
    #expect(!copy.contains("PRIVATE KEY"))
    #expect(try await keyring(world).restore(copy, sealedBy: operators) == 0, "they are in place")
    // Another key file, or one changed letter of the copy.
    let wrong = try MasterKey(bytes: SystemRandom().bytes(32))
    await #expect(throws: FleetKeyring.Refusal.self) { _ = try await keyring(other).restore(copy, sealedBy: wrong) }
    let place = copy.index(copy.startIndex, offsetBy: copy.count / 2)
    let changed = copy.replacingCharacters(at: place, with: copy[place] == "A" ? "B" : "A")
    await #expect(throws: FleetKeyring.Refusal.self) {
      _ = try await keyring(other).restore(changed, sealedBy: operators)
    }
    #expect(other.fleet.authorityCertificate != world.fleet.authorityCertificate)
    #expect(try await keyring(other).restore(copy, sealedBy: operators) >= 3)
    // As after a restart; another master key seals them there.
    let restored = try await FleetWorld(url: other.pool.configuration.url, masterKey: other.masterKey)
    #expect(restored.fleet.authorityCertificate == world.fleet.authorityCertificate)
    let (a, b) = (try await restored.fleet.access(as: .admin), try await world.fleet.access(as: .admin))
    #expect(a.spkiHash == b.spkiHash)
    // Under appliances that are registered nobody changes the keys.
    let third = try await FleetWorld()
    let appliance = try FakeAppliance()
    try await appliance.serve { url in _ = try await third.claim(appliance, url) }
    await #expect(throws: FleetKeyring.Refusal.self) { _ = try await keyring(third).restore(copy, sealedBy: operators) }
    // A new key for a role: the old one is in the next bundle, and the new one is the pinned one.
    try await keyring(world).rotate(.admin)
    let rotated = try await FleetWorld(url: world.pool.configuration.url, masterKey: world.masterKey)
    let bundle = try await rotated.fleet.access(as: .admin).bundles.current().message.unverified(KeyBundle.self)
    #expect(bundle.revokedKeys == [b.spkiHash])
    #expect(bundle.adminSPKI != b.spkiHash && bundle.adminSPKI != nil)
    #expect(try await audited(world, "fleet.backup") == 1)
    #expect(try await audited(world, "fleet.rotate_key") == 1)
  }
}

extension String {
  fileprivate func replacingCharacters(at place: String.Index, with letter: Character) -> String {
    String(self[..<place]) + String(letter) + String(self[index(after: place)...])
  }
}
