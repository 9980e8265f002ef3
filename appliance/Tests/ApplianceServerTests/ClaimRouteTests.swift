import ApplianceServer
import Core
import Crypto
import HTTP
import HTTPServer
import JWT
import StorageAPI
import Store
import Telemetry
import TestKit
import Testing

/// The control plane's half of the claim, speaking to the routers.
struct Claimant {
  let target: TestAppliance
  let exporter: [UInt8]
  let trust: PrivateKey
  let code: ClaimCode

  init(_ target: TestAppliance, code: ClaimCode? = nil, exporter: UInt8 = 3) throws {
    self.target = target
    self.exporter = [UInt8](repeating: exporter, count: 32)
    trust = try PrivateKey.p256()
    if let code {
      self.code = code
    } else {
      let printed = try PrintedClaimCode.current(
        target.state, identity: target.onboarding.identity, again: false, time: target.time, random: SystemRandom())
      self.code = try #require(ClaimCode(text: printed.text))
    }
  }

  func send(_ message: ClaimRequest) async throws -> Answer {
    let exporter = exporter
    let request = try Request.make(
      .post, AppliancePaths.claim, body: try JSON.encode(message), exporter: { _, _ in exporter })
    return try await Answer(target.appliance.api.respond(to: request))
  }

  func prove(exporter seen: [UInt8]? = nil) async throws -> Answer {
    let nonce = SystemRandom().bytes(16)
    let hello = try await send(.hello(nonce: Hex.encode(nonce)))
    let answer = try JSON.decode(ClaimHelloAnswer.self, from: hello.body)
    let proof = ClaimProof.make(
      secret: code.secret, role: .controlplane, exporter: seen ?? exporter,
      spkiHash: target.onboarding.identity.certificate.spkiHash, controlPlaneNonce: nonce,
      applianceNonce: try #require(Hex.decode(answer.nonce)))
    return try await send(.prove(proof: Hex.encode(proof)))
  }

  func bundle(
    version: Int = 1, keys: JSONWebKeySet = TestAppliance.tokens.keySet, revoked: [Checksum] = [],
    locals: [LocalClient]? = nil, admin: Checksum? = nil
  ) throws -> SignedMessage {
    let bundle = KeyBundle(
      version: version, issuedAt: target.time.now(), issuer: TestAppliance.tokens.issuer, keys: keys,
      clientCA: TestAppliance.fleet.authorityPEM, revokedKeys: revoked,
      trustKey: Base64.standard.encode(trust.publicKey.spki), localClients: locals, adminSPKI: admin)
    return try SignedMessage.make(bundle, by: trust)
  }

  func installation(csr: String, role: PeerRole = .appliance) throws -> ClaimInstallation {
    let identity = try #require(PeerIdentity(role: role, name: target.store.storageID.description))
    let certificate = try TestAppliance.fleet.authority.issue(
      to: try CertificateRequest(pem: csr).publicKey, identity: identity, usage: .server, hosts: ["localhost"],
      validity: .seconds(86_400), time: target.time, random: SystemRandom())
    return ClaimInstallation(
      certificate: certificate.pem, clientCA: TestAppliance.fleet.authorityPEM, keyBundle: try bundle(),
      settings: ApplianceSettings(displayName: "Склад 7"), adminSPKI: String(repeating: "ab", count: 32))
  }

  func claim() async throws -> Answer {
    let proven = try JSON.decode(ClaimProveAnswer.self, from: try await prove().body)
    return try await send(.install(try installation(csr: proven.csr)))
  }
}

@Suite struct ClaimRouteTests {
  @Test func anUnclaimedApplianceAnswersTheClaimAndProbesOnly() async throws {
    let target = try TestAppliance(isClaimed: false)
    for path in ["/api/v1/info", "/api/v1/files", "/api/v1/changes"] {
      let answer = try await target.call(.get, path, peer: .admin)
      #expect(answer.status == 403)
      #expect(answer.error.message.contains("not claimed"))
    }
    #expect(try await target.call(.get, "/health/live", peer: nil, scopes: nil).status == 200)
    #expect(target.onboarding.presentation.clientCertificate == .none)
  }

  @Test func theWholeClaim() async throws {
    let target = try TestAppliance(isClaimed: false)
    let claimant = try Claimant(target)
    #expect(claimant.code.matches(spkiHash: target.onboarding.identity.certificate.spkiHash))
    let installed = try await claimant.claim()
    #expect(installed.status == 200, "\(installed.text)")
    #expect(target.onboarding.presentation.clientCertificate == .optional)
    #expect(target.onboarding.identity.certificate.identity?.role == .appliance)
    // The answer may have been lost: the same fleet repeats the claim.
    #expect(try await claimant.claim().status == 200)
    // Another one may not.
    #expect(try await Claimant(target, exporter: 4).claim().status == 409)
    // First contact over mutual TLS.
    #expect(try await target.call(.get, "/api/v1/info", peer: .admin).status == 200)
    #expect(target.onboarding.presentation.clientCertificate == .required)
    #expect(try await claimant.send(.hello(nonce: String(repeating: "00", count: 16))).status == 409)
    // The secret is gone from the disk.
    let file = String(decoding: try #require(try target.state.read("claim.json")), as: UTF8.self)
    #expect(file.contains("bound") && !file.contains(Hex.encode(claimant.code.secret)))
  }

  @Test func aWrongCodeAndAManInTheMiddleAreRefused() async throws {
    let target = try TestAppliance(isClaimed: false)
    let stranger = try #require(
      ClaimCode(secret: Array(1...10), spkiHash: target.onboarding.identity.certificate.spkiHash))
    #expect(try await Claimant(target, code: stranger).prove().status == 403)
    #expect(try await Claimant(target).prove(exporter: [UInt8](repeating: 9, count: 32)).status == 403)
    #expect(!target.onboarding.isClaimed)
    #expect(try await Claimant(target).claim().status == 200)
  }

  @Test func aRestartKeepsTheClaim() async throws {
    let target = try TestAppliance(isClaimed: false)
    _ = try await Claimant(target).claim()
    let trust = try Trust(target.state, storageID: target.store.storageID, time: target.time)
    let again = try Onboarding(
      target.state, identity: target.onboarding.identity, trust: trust, storageID: target.store.storageID,
      time: target.time, random: SystemRandom(), logger: .silent)
    #expect(again.isClaimed)
    #expect(trust.bundleVersion == 1)
    #expect(trust.settings.displayName == "Склад 7")
  }

  /// TLS shows the administrator's key without an identity when the dates of its certificate do not fit our clock.
  @Test func thePinnedKeyMendsTheClockAndNothingElse() async throws {
    let target = try TestAppliance(isClaimed: false)
    _ = try await Claimant(target).claim()
    let pinned = try #require(Checksum(String(repeating: "ab", count: 32)))
    let headers: HeaderFields = ["Authorization": "Bearer \(try target.token([], role: .admin))"]
    let allowed = [AppliancePaths.info, AppliancePaths.trust, AppliancePaths.identity, AppliancePaths.time]
    for route in target.appliance.api.routes {
      switch route.access {
      case .open, .proof: continue
      default: break
      }
      for key in [pinned, SHA256.digest([1])] {
        let request = try Request.make(
          route.method, route.path.replacing("{file_id}", with: FileID.lowest.description), headers: headers,
          peerSPKI: key)
        let status = try await Answer(target.appliance.api.respond(to: request)).status
        let mayPass = key == pinned && allowed.contains(route.path)
        #expect((status != 403) == mayPass, "\(route.method.rawValue) \(route.path): \(status)")
      }
    }
  }

  @Test func badInstallationsChangeNothing() async throws {
    let target = try TestAppliance(isClaimed: false)
    let claimant = try Claimant(target)
    let proven = try JSON.decode(ClaimProveAnswer.self, from: try await claimant.prove().body)
    let good = try claimant.installation(csr: proven.csr)
    var cases: [(String, ClaimInstallation)] = []
    var bad = good
    bad.adminSPKI = "nonsense"
    cases.append(("admin_spki", bad))
    bad = good
    bad.certificate = TestAppliance.fleet.authorityPEM
    cases.append(("certificate", bad))
    cases.append(("certificate", try claimant.installation(csr: proven.csr, role: .admin)))
    bad = good
    bad.keyBundle.signature = Base64.standard.encode([1, 2, 3])
    cases.append(("key_bundle", bad))
    bad = good
    bad.settings = ApplianceSettings(clockToleranceSeconds: 0)
    cases.append(("clock_tolerance_seconds", bad))
    for (field, installation) in cases {
      let answer = try await claimant.send(.install(installation))
      #expect(answer.status == 400 || answer.status == 403, "\(field): \(answer.text)")
      #expect(answer.error.message.contains(field), "\(field): \(answer.text)")
    }
    #expect(!target.onboarding.isClaimed)
    #expect(try await claimant.send(.install(good)).status == 200)
  }

  @Test func theKeyBundleOnlyGoesForward() async throws {
    let target = try TestAppliance(isClaimed: false)
    let claimant = try Claimant(target)
    _ = try await claimant.claim()
    func put(_ signed: SignedMessage, as peer: PeerRole = .ingester) async throws -> Answer {
      try await target.call(.put, "/api/v1/trust", body: try JSON.encode(signed), peer: peer, scopes: nil)
    }
    #expect(try await put(try claimant.bundle(version: 3)).text == #"{"version":3}"#)
    #expect(try await put(try claimant.bundle(version: 2)).text == #"{"version":3}"#)
    let restarted = try Trust(target.state, storageID: target.store.storageID, time: target.time)
    #expect(restarted.bundleVersion == 3, "the older bundle must not have reached the disk either")
    #expect(try await put(try Claimant(target, code: claimant.code).bundle(version: 9)).status == 403)
    #expect(try await put(try claimant.bundle(version: 4), as: .client).status == 403)
    // A bundle without the key that tokens are signed with: they no longer pass.
    #expect(try await target.call(.get, "/api/v1/files").status == 200)
    _ = try await put(try claimant.bundle(version: 5, keys: JSONWebKeySet(keys: [])))
    #expect(try await target.call(.get, "/api/v1/files").status == 401)
  }
}
