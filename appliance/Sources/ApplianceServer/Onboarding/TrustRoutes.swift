internal import Core
internal import Crypto
internal import HTTP
internal import HTTPServer
internal import StorageAPI
internal import Store
internal import Telemetry

/// What the control plane delivers after the claim: renewed certificates, the key bundle, its time, settings.
/// Authorised by the client certificate alone: these are what tokens are checked with.
struct TrustRoutes: Sendable {
  let onboarding: Onboarding
  let store: Store

  /// The bundle is signed by the trust key, so any role may carry it.
  static let bundleCarriers: Set<PeerRole> = [.admin, .ingester, .query]
  static let bytesMax = 262_144

  var routes: [Route] {
    [
      Route(.put, AppliancePaths.identity, .certificate([.admin]), bodyLimit: Self.bytesMax) { try await identity($0) },
      Route(.put, AppliancePaths.trust, .certificate(Self.bundleCarriers), bodyLimit: Self.bytesMax) {
        try await trust($0)
      },
      Route(.put, AppliancePaths.time, .certificate([.admin])) { try await time($0) },
      Route(.put, AppliancePaths.settings, .certificate([.admin])) { try await settings($0) },
    ]
  }

  private func identity(_ request: Request) async throws -> Response {
    let bytes = try await request.body.collect(limit: Self.bytesMax)
    let renewal: IdentityRenewal
    do {
      renewal = bytes.isEmpty ? IdentityRenewal() : try JSON.decode(IdentityRenewal.self, from: bytes)
    } catch {
      throw APIError(.validation, "the body is wrong: \(JSON.explain(error))")
    }
    guard let chain = renewal.certificate else {
      return try .json(.ok, IdentityAnswer(csr: try onboarding.request()))
    }
    return try .json(.ok, IdentityAnswer(notAfter: try onboarding.renew(chain: chain).notAfter))
  }

  private func trust(_ request: Request) async throws -> Response {
    let signed = try await request.json(SignedMessage.self, limit: Self.bytesMax)
    let before = onboarding.trust.bundleVersion
    let version = try onboarding.trust.deliver(signed)
    if version != before { onboarding.announce() }
    return try .json(.ok, TrustAnswer(version: version))
  }

  private func time(_ request: Request) async throws -> Response {
    let delivery = try await request.json(TimeDelivery.self)
    let before = onboarding.trust.clockState.offsetMilliseconds
    let clock = try onboarding.trust.deliver(time: delivery)
    if clock.offsetMilliseconds != before {
      // In the journal, because tokens are judged by it: who set it, and when by the machine's own clock.
      let text = "clock offset for token checks \(clock.offsetMilliseconds) ms, before \(before) ms"
      try await note(text, by: request.actor)
    }
    return try .json(.ok, clock)
  }

  private func note(_ text: String, by actor: Actor) async throws {
    do {
      try await store.note(text, by: actor)
    } catch {
      guard error.code == .readOnly else { throw error }
      onboarding.logger.warning("not journaled, the store is read-only", ["what": .string(text)])
    }
  }

  private func settings(_ request: Request) async throws -> Response {
    let members = try await request.json([String: JSONValue].self)
    for name in members.keys where !ApplianceSettings.names.contains(name) {
      let known = ApplianceSettings.names.sorted().joined(separator: ", ")
      throw RecordValidation.refuse(String(name.prefix(80)), "there is no such setting; known are \(known)")
    }
    let settings: ApplianceSettings
    do {
      settings = try JSON.decode(ApplianceSettings.self, from: try JSON.encode(members))
    } catch {
      throw APIError(.validation, "the body is wrong: \(JSON.explain(error))")
    }
    return try .json(.ok, try onboarding.trust.deliver(settings: settings))
  }
}
