public import Catalogue
public import Core
internal import Crypto
internal import HTTP
internal import HTTPClient
public import Identity
public import StorageAPI

/// What can be seen of an appliance before it is claimed.
public struct DiscoveredAppliance: Sendable {
  public let url: String
  public let storageID: String
  public let version: String
  public let mode: ApplianceMode
  /// SHA-256 of its public key, to compare with what its host shows.
  public let spki: Checksum
  /// Already in the registry.
  public let known: StorageElement?
  /// It takes us for its fleet already: it is registered without a code.
  public let isClaimed: Bool
}

extension FleetRegistry {
  /// Looks at an appliance without claiming it: the first step of a claim tells who it is and needs no secret.
  public func discover(url: String) async throws -> DiscoveredAppliance {
    let address = try ApplianceURL(url)
    if let known = try await elements.list().first(where: { $0.url == address.text }) {
      // Once claimed it speaks only to its own fleet: ask it as one of us.
      let info = try await access.client(for: known).info()
      return DiscoveredAppliance(
        url: address.text, storageID: info.storageID, version: info.version, mode: info.mode, spki: known.spki,
        known: known, isClaimed: true)
    }
    do {
      return try await discoverUnclaimed(address)
    } catch let error as APIError where error.code == .storageElementUnavailable {
      // Once claimed it ends the connections of strangers: is it of this fleet, and only the registry has lost it?
      guard let (info, spki) = try? await whoAnswers(address) else { throw error }  // no: what was wrong first
      return DiscoveredAppliance(
        url: address.text, storageID: info.storageID, version: info.version, mode: info.mode, spki: spki,
        known: try await elements.element(storageID: info.storageID), isClaimed: true)
    }
  }

  private func discoverUnclaimed(_ address: ApplianceURL) async throws -> DiscoveredAppliance {
    let seen = try await access.http.withConnection(to: address.text, exporterLabel: ClaimProof.exporterLabel) {
      connection in
      try await ClaimDialogue(connection: connection, url: address.text, random: access.random).hello()
    }
    return DiscoveredAppliance(
      url: address.text, storageID: seen.answer.storageID, version: seen.answer.version, mode: seen.answer.mode,
      spki: seen.spkiHash, known: try await elements.element(storageID: seen.answer.storageID), isClaimed: false)
  }

  /// Claims an appliance (DESIGN §4.7) and registers it. Repeating it after a lost answer is safe until the appliance
  /// has seen its first mutual-TLS contact; the row is kept before that contact.
  public func claim(
    name: String, url: String, code: String, priority: Int = 100, by actor: Actor
  ) async throws -> StorageElement {
    guard let code = ClaimCode(text: code) else {
      throw APIError(
        .validation, "claim_code: not a claim code, or mistyped; it has nine groups of five letters and digits")
    }
    return try await adding("storage_element.claim", name: name, url: url, priority: priority, by: actor) { address in
      try await performClaim(name: name, address: address, code: code, priority: priority)
    }
  }

  private func performClaim(
    name: String, address: ApplianceURL, code: ClaimCode, priority: Int
  ) async throws -> StorageElement {
    let taken = try await elements.list().first { $0.name == name || $0.url == address.text }
    let wanted = WantedElement(name: name, address: address, priority: priority, taken: taken)
    return try await access.http.withConnection(to: address.text, exporterLabel: ClaimProof.exporterLabel) {
      connection in
      try await claim(wanted, code: code, over: connection)
    }
  }

  /// What the administrator asked for, and the row that has its name or URL already.
  private struct WantedElement {
    let name: String
    let address: ApplianceURL
    let priority: Int
    let taken: StorageElement?
  }

  // Swift 6.3.1 crashes while it splits this coroutine under optimisation; a claim is rare and waits for a network.
  @_optimize(none)
  private func claim(
    _ wanted: WantedElement, code: ClaimCode, over connection: ClientConnection
  ) async throws -> StorageElement {
    let dialogue = ClaimDialogue(connection: connection, url: wanted.address.text, random: access.random)
    let seen = try await dialogue.hello()
    try Self.check(seen, against: code, wanted)
    guard try await !revoked.contains(seen.spkiHash) else {
      throw APIError(
        .conflict,
        "this appliance's key is revoked; make a new one on its host "
          + "('artstore-appliance claim-code --again --new-key')")
    }
    let request = try await dialogue.prove(code, seen)
    let certificate = try authority.issue(
      appliance: seen.answer.storageID, key: request.publicKey, host: wanted.address.host,
      life: configuration.applianceCertificateLife)
    let bundle = try await access.bundles.current().message
    try await dialogue.install(
      ClaimInstallation(
        certificate: certificate.pem + authority.authority.certificate.pem,
        clientCA: authority.authority.certificate.pem, keyBundle: bundle,
        settings: ApplianceSettings(displayName: wanted.name), adminSPKI: access.spkiHash.description),
      seen)
    return try await elements.register(
      StorageElementTable.Registration(
        id: .random(random), name: wanted.name, url: wanted.address.text, storageID: seen.answer.storageID,
        mode: seen.answer.mode, version: seen.answer.version, priority: wanted.priority, spki: seen.spkiHash,
        certificateExpiresAt: certificate.notAfter))
  }

  private static func check(
    _ seen: ClaimDialogue.Seen, against code: ClaimCode, _ wanted: WantedElement
  ) throws(APIError) {
    guard code.matches(spkiHash: seen.spkiHash) else {
      throw APIError(
        .conflict,
        "the appliance at this address is not the one the claim code was printed for; "
          + "check the address, or take the code from that appliance's host")
    }
    // Refused before anything is installed: a claimed appliance without a row would have to be claimed anew.
    if let taken = wanted.taken, taken.storageID != seen.answer.storageID {
      throw APIError(
        .conflict,
        "another storage element has this \(taken.name == wanted.name ? "name" : "url") already; choose another")
    }
  }
}

/// The three steps of a claim on one connection; see `ClaimRequest`.
private struct ClaimDialogue {
  let connection: ClientConnection
  let url: String
  let random: any RandomSource

  struct Seen {
    let answer: ClaimHelloAnswer
    let nonce: [UInt8]
    let applianceNonce: [UInt8]
    let spkiHash: Checksum
    let exporter: [UInt8]
  }

  private static let tls = ClientTLS(trust: .provenByCaller)

  /// Exchanges nonces and learns the key that answers. Nothing secret is sent.
  func hello() async throws -> Seen {
    let nonce = random.bytes(ClaimProof.nonceByteCount)
    let answer = try await exchange(.hello(nonce: Hex.encode(nonce)), ClaimHelloAnswer.self)
    guard let peer = connection.peer else {
      throw APIError(.storageElementUnavailable, "the appliance does not speak TLS 1.3 at this address")
    }
    guard let theirs = Hex.decode(answer.nonce), theirs.count == ClaimProof.nonceByteCount,
      PeerIdentity(role: .appliance, name: answer.storageID) != nil
    else { throw ApplianceClient.strange("a hello with a bad nonce or storage id") }
    return Seen(
      answer: answer, nonce: nonce, applianceNonce: theirs, spkiHash: SHA256.digest(peer.spki),
      exporter: peer.exportedSecret)
  }

  /// Both sides prove that they know the code; the answer brings the request for the certificate.
  func prove(_ code: ClaimCode, _ seen: Seen) async throws -> CertificateRequest {
    func proof(_ role: ClaimProof.Role) -> [UInt8] {
      ClaimProof.make(
        secret: code.secret, role: role, exporter: seen.exporter, spkiHash: seen.spkiHash,
        controlPlaneNonce: seen.nonce, applianceNonce: seen.applianceNonce)
    }
    let answer = try await exchange(.prove(proof: Hex.encode(proof(.controlplane))), ClaimProveAnswer.self)
    try checkSameConnection(seen)
    guard ClaimProof.verify(answer.proof, equals: proof(.appliance)) else {
      throw APIError(.conflict, "the appliance could not prove that it knows the claim code; somebody stands between")
    }
    let request = try CertificateRequest(pem: answer.csr)
    guard request.publicKey.spkiHash == seen.spkiHash else {
      throw ApplianceClient.strange("a CSR for another key than the connection's")
    }
    return request
  }

  /// What proved itself must be what answers here, too: an appliance is registered by this answer.
  func install(_ installation: ClaimInstallation, _ seen: Seen) async throws {
    _ = try await exchange(.install(installation), ClaimInstallAnswer.self)
    try checkSameConnection(seen)
  }

  /// A connection made anew in between would answer with another secret.
  private func checkSameConnection(_ seen: Seen) throws(APIError) {
    guard let peer = connection.peer, peer.exportedSecret == seen.exporter else {
      throw APIError(.storageElementUnavailable, "the connection to the appliance broke during the claim; repeat it")
    }
  }

  private func exchange<T: Decodable>(_ message: ClaimRequest, _ type: T.Type) async throws -> T {
    let request = ClientRequest(
      .post, url + AppliancePaths.claim, headers: ["Content-Type": "application/json"],
      body: .bytes(try JSON.encode(message)), timeouts: ClientTimeouts(total: .seconds(60)), tls: Self.tls)
    do {
      let (response, body) = try await connection.exchange(request)
      guard response.status == .ok else { throw Self.refusal(response, body) }
      return try JSON.decode(type, from: body)
    } catch let error as HTTPClientError {
      throw APIError(
        .storageElementUnavailable,
        "no appliance to be claimed answers here; check the address, that it runs, and that no fleet has it",
        cause: error)
    } catch let error as DecodingError {
      throw ApplianceClient.strange(JSON.explain(error))
    }
  }

  /// What the appliance says about a claim is for the administrator: it keeps its words.
  private static func refusal(_ response: ClientResponse, _ body: [UInt8]) -> APIError {
    struct Said: Decodable {
      struct Content: Decodable { let message: String }
      let error: Content
    }
    let said = try? JSON.decode(Said.self, from: body).error.message  // no contract error: handled here
    switch response.status {
    case .forbidden, .conflict:
      return APIError(.conflict, said ?? "the appliance refuses the claim: it is claimed already, or the code is void")
    case .tooManyRequests:
      return APIError(.rateLimited, said ?? "too many claims; try again later", headers: ["Retry-After": "10"])
    default: return ApplianceClient.refusal(response.status, response.headers, body: body)
    }
  }
}
