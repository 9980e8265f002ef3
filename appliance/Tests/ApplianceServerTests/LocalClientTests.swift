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

@testable import ApplianceServer

/// A claimed appliance that is left alone: who may still work there, and who not.
@Suite struct LocalClientTests {
  static let spki = SHA256.digest(Array("client".utf8))

  let target: TestAppliance
  let claimant: Claimant

  init() async throws {
    target = try TestAppliance(isClaimed: false)
    claimant = try Claimant(target)
    _ = try await claimant.claim()
  }

  private func local(
    _ scopes: Set<Scope> = [.filesRead, .filesWrite], name: String = "test", spki: Checksum = spki, days: Int = 45,
    at storageID: String? = nil
  ) -> LocalClient {
    LocalClient(
      identity: "artstore://client/\(name)", spki: spki, scopes: scopes,
      expiresAt: target.time.now() + .seconds(days * 86_400),
      storageIDs: [storageID ?? target.store.storageID.description])
  }

  @discardableResult
  private func deliver(_ signed: SignedMessage) async throws -> Int {
    try await target.call(.put, "/api/v1/trust", body: try JSON.encode(signed), peer: .query, scopes: nil).status
  }

  private func upload() async throws -> Answer {
    let form = Form(file: ("alone.txt", Array("written alone".utf8)))
    return try await target.call(
      .post, "/api/v1/files/upload", headers: form.headers, body: form.bytes, peer: .client, scopes: nil)
  }

  @Test func theSiteWorksOnForTwentyNineDaysWithoutTheControlPlane() async throws {
    #expect(try await upload().status == 403, "nobody is named yet")
    try await deliver(try claimant.bundle(version: 2, locals: [local()]))
    target.time.advance(by: .seconds(29 * 86_400))
    let record = try await upload()
    #expect(record.status == 201, "\(record.text)")
    #expect(try record.record().uploadedBy == "artstore://client/test")
    let path = "/api/v1/files/\(try record.record().fileID)/download"
    let read = try await target.call(.get, path, peer: .client, scopes: nil)
    #expect(read.status == 200 && read.text == "written alone")
    // A token beside the certificate neither helps nor is believed.
    let admin = try target.token([], role: .admin)
    #expect(try await target.call(.post, "/api/v1/maintenance/scrub", peer: .client, token: admin).status == 403)
  }

  @Test func itsTimeEndsWhateverTheCertificateSays() async throws {
    try await deliver(try claimant.bundle(version: 2, locals: [local(days: 30)]))
    target.time.advance(by: .seconds(30 * 86_400 - 1))
    #expect(try await upload().status == 201)
    target.time.advance(by: .seconds(2))
    #expect(try await upload().status == 403)
    // No client works longer than 45 days after the last bundle, even if one says so.
    try await deliver(try claimant.bundle(version: 3, locals: [local(days: 400)]))
    target.time.advance(by: .seconds(45 * 86_400 - 1))
    #expect(try await upload().status == 201)
    target.time.advance(by: .seconds(2))
    #expect(try await upload().status == 403)
    // The first contact repairs it.
    try await deliver(try claimant.bundle(version: 4, locals: [local()]))
    #expect(try await upload().status == 201)
  }

  @Test func onlyItsOwnScopesAtItsOwnSiteWithItsOwnKey() async throws {
    let cases: [(String, LocalClient)] = [
      ("reads only", local([.filesRead])),
      ("another site", local(at: FileID.random(SystemRandom()).description)),
      ("another name", local(name: "other")),
      ("another key", local(spki: SHA256.digest([9]))),
      ("scopes that nobody may have alone", local([.storageWrite, .adminWrite])),
    ]
    for (place, (name, client)) in cases.enumerated() {
      try await deliver(try claimant.bundle(version: place + 2, locals: [client]))
      #expect(try await upload().status == 403, "\(name)")
    }
    for route in target.appliance.api.routes {
      guard case .scope(let scope) = route.access, !LocalClient.scopesAllowed.contains(scope) else { continue }
      let every = local(Set(Scope.allCases))
      try await deliver(try claimant.bundle(version: 50, locals: [every]))
      let answer = try await target.call(route.method, route.path, peer: .client, scopes: nil)
      #expect(answer.status == 403, "\(route.method.rawValue) \(route.path)")
    }
  }

  @Test func aRevokedKeyIsRefusedAtTheNextRequestAndShownToTheHandshake() async throws {
    try await deliver(try claimant.bundle(version: 2, locals: [local()]))
    #expect(try await upload().status == 201)
    #expect(try await target.call(.get, "/api/v1/files", peer: .ingester).status == 200)
    let ingester = SHA256.digest(Array("ingester".utf8))
    try await deliver(try claimant.bundle(version: 3, revoked: [Self.spki, ingester], locals: [local()]))
    #expect(try await upload().status == 403)
    #expect(try await target.call(.get, "/api/v1/files", peer: .ingester).status == 403)
    #expect(target.onboarding.presentation.revokedKeys == [Self.spki, ingester])
  }

  @Test func aNewKeyOfTheAdministratorReplacesThePinnedOne() async throws {
    let next = SHA256.digest([77])
    #expect(target.onboarding.presentation.pinnedKey != next)
    try await deliver(try claimant.bundle(version: 2, admin: next))
    #expect(target.onboarding.presentation.pinnedKey == next)
    let again = try Trust(target.state, storageID: target.store.storageID, time: target.time)
    #expect(again.adminSPKI == next, "also after a restart")
  }

  @Test func onlySignedFreshTimeForThisApplianceCounts() async throws {
    func put(_ delivery: TimeDelivery) async throws -> Answer {
      try await target.call(.put, "/api/v1/time", body: try JSON.encode(delivery), peer: .admin, scopes: nil)
    }
    func said(
      _ ahead: Int, storageID: String? = nil, age: Duration = .zero, by key: PrivateKey? = nil
    ) throws -> TimeDelivery {
      let now = target.time.now()
      let time = SignedTime(
        storageID: storageID ?? target.store.storageID.description, applianceTime: now - age,
        time: now - age + .seconds(ahead))
      return TimeDelivery(time: now, signed: try SignedMessage.make(time, by: key ?? claimant.trust))
    }
    #expect(try await put(TimeDelivery(time: target.time.now() + .seconds(50))).status == 403)
    #expect(try await put(try said(50, storageID: FileID.lowest.description)).status == 403)
    #expect(try await put(try said(50, age: .seconds(121))).status == 403)
    #expect(try await put(try said(50, age: .seconds(-5))).status == 403)
    #expect(try await put(try said(50, by: try PrivateKey.p256())).status == 403)
    let bundle = TimeDelivery(time: target.time.now(), signed: try claimant.bundle(version: 9))
    #expect(try await put(bundle).status == 400, "another signed document is no time")
    #expect(target.onboarding.trust.clockState.offsetMilliseconds == 0)
    let before = target.store.summary.lastLSN
    let clock = try await put(try said(50, age: .seconds(20)))
    #expect(try clock.json()["offset_ms"] == .integer(50_000), "\(clock.text)")
    // A checkpoint may come between.
    #expect(target.store.summary.lastLSN > before, "the offset is journaled")
  }

  @Test func theJournalsChainIsShownToTheAdministrator() async throws {
    try await deliver(try claimant.bundle(version: 2, locals: [local()]))
    _ = try await upload()
    let info = try JSON.decode(
      ApplianceInfo.self, from: try await target.call(.get, "/api/v1/info", peer: .admin, scopes: nil).body)
    let answer = try await target.call(.get, "/api/v1/journal/chain?limit=5", peer: .admin, scopes: nil)
    let chain = try JSON.decode(JournalChain.self, from: answer.body)
    #expect(chain.epoch == info.epoch && chain.prunedLSN == 0)
    #expect(chain.segments.first?.previous == info.chainHead)
    #expect(chain.segments.map(\.number) == chain.segments.map(\.number).sorted(by: >))
    let first = try #require(chain.segments.first?.number)
    let before = try await target.call(.get, "/api/v1/journal/chain?before=\(first)", peer: .admin, scopes: nil)
    #expect(try JSON.decode(JournalChain.self, from: before.body).segments.allSatisfy { $0.number < first })
    #expect(try await target.call(.get, "/api/v1/journal/chain", peer: .query, scopes: nil).status == 403)
    #expect(try await target.call(.get, "/api/v1/journal/chain?limit=201", peer: .admin, scopes: nil).status == 400)
  }

  @Test func spansAreForTheAdministrator() async throws {
    let path = "/api/v1/spans"
    try await deliver(try claimant.bundle(version: 2, locals: [local()]))
    for number in 0..<3 {
      target.appliance.spans.record(
        TraceSpan(
          traceID: String(repeating: "a", count: 32), spanID: String(repeating: "b", count: 16), parentID: nil,
          name: "GET \(number)", start: target.time.now(), durationMicroseconds: 7, status: 200, failed: false))
    }
    let answer = try await target.call(.get, "\(path)?limit=2", peer: .admin, scopes: nil)
    let page = try JSON.decode(SpanPage.self, from: answer.body)
    #expect(page.spans.map(\.name) == ["GET 0", "GET 1"] && page.hasMore)
    let rest = try await target.call(.get, "\(path)?after=\(page.cursor)", peer: .admin, scopes: nil)
    #expect(try JSON.decode(SpanPage.self, from: rest.body).spans.map(\.name) == ["GET 2"])
    #expect(try await target.call(.get, path, peer: .ingester, scopes: nil).status == 403)
    #expect(try await target.call(.get, "\(path)?limit=0", peer: .admin, scopes: nil).status == 400)
    #expect(try await target.call(.get, "\(path)?cursor=x", peer: .admin, scopes: nil).status == 400)
  }

  @Test func theJournalIsSealedForTheAdministrator() async throws {
    try await deliver(try claimant.bundle(version: 2, locals: [local()]))
    _ = try await upload()
    let path = "/api/v1/journal/seal"
    #expect(try await target.call(.post, path, peer: .ingester, scopes: [.storageWrite]).status == 403)
    #expect(try await target.call(.post, path, peer: .admin, scopes: [.storageRead]).status == 403)
    #expect(try await target.call(.post, path, peer: .admin, scopes: nil).status == 401)
    let answer = try await target.call(.post, path, peer: .admin, scopes: [.storageWrite])
    let sealed = try JSON.decode(JournalSealAnswer.self, from: answer.body)
    #expect(sealed.sealed && sealed.head.number == 2)
    let shown = try await target.call(.get, "/api/v1/journal/chain?contents=true", peer: .admin, scopes: nil)
    let chain = try JSON.decode(JournalChain.self, from: shown.body)
    #expect(chain.segments.last?.hash == sealed.head.previous)
    #expect(try await target.call(.get, "/api/v1/journal/chain?contents=1", peer: .admin, scopes: nil).status == 400)
  }
}
