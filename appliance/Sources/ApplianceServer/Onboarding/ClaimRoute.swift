internal import Core
internal import HTTP
internal import HTTPServer
internal import StorageAPI
internal import Store

/// `POST /claim`: the three steps, on one TLS connection.
struct ClaimRoute: Sendable {
  let onboarding: Onboarding
  let store: Store

  /// A certificate chain, a CA and a key bundle with its keys fit easily.
  static let bytesMax = 262_144

  var routes: [Route] {
    let access = Access.proof(reason: "both sides prove the claim code's secret over the TLS exporter")
    return [Route(.post, AppliancePaths.claim, access, bodyLimit: Self.bytesMax) { try await answer($0) }]
  }

  func answer(_ request: Request) async throws -> Response {
    let label = ClaimProof.exporterLabel
    guard let connection = request.exportKeyingMaterial(label: label, count: ClaimProof.exporterByteCount) else {
      throw APIError(.forbidden, "claiming works over TLS 1.3 only")
    }
    switch try await request.json(ClaimRequest.self, limit: Self.bytesMax) {
    case .hello(let nonce):
      let fresh = try onboarding.hello(connection: connection, nonce: nonce)
      let answer = ClaimHelloAnswer(
        storageID: onboarding.storageID.description, version: Product.version, mode: store.mode,
        nonce: Hex.encode(fresh))
      return try .json(.ok, answer)
    case .prove(let proof):
      let (own, csr) = try await onboarding.prove(connection: connection, proof: proof)
      return try .json(.ok, ClaimProveAnswer(proof: Hex.encode(own), csr: csr))
    case .install(let installation):
      let version = try onboarding.install(connection: connection, installation)
      return try .json(
        .ok, ClaimInstallAnswer(storageID: onboarding.storageID.description, trustVersion: version))
    }
  }
}
