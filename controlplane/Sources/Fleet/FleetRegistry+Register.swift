public import Catalogue
internal import Core
internal import Crypto
internal import HTTP
internal import HTTPClient
public import Identity
internal import Postgres
internal import StorageAPI

extension FleetRegistry {
  /// Registers an appliance of this fleet that the registry does not know (any more), without a code: a control-plane
  /// database restored from before the claim. What it shows must be signed by the fleet's CA for the very name it
  /// gives, and it must take a key bundle signed by the fleet's trust key. `CONFLICT` when it is registered already.
  public func register(
    name: String, url: String, priority: Int = 100, by actor: Actor
  ) async throws -> StorageElement {
    try await adding("storage_element.register", name: name, url: url, priority: priority, by: actor) { address in
      try await performRegistration(name: name, address: address, priority: priority)
    }
  }

  /// Adds an element by `work`: what is asked for is checked before, the outcome is audited either way, the new element
  /// is polled at once and synced soon.
  func adding(
    _ action: String, name: String, url: String, priority: Int, by actor: Actor,
    _ work: (ApplianceURL) async throws -> StorageElement
  ) async throws -> StorageElement {
    try Self.check(name: name)
    try Self.check(priority: priority)
    let address = try ApplianceURL(url)
    do {
      let element = try await work(address)
      try await record(
        actor, action, element.id.description,
        details: ["name": .string(name), "storage_id": .string(element.storageID)])
      let polled = try await health.poll(element)
      syncSoon()
      return polled
    } catch {
      try await record(actor, action, address.text, result: .refused, details: ["name": .string(name)])
      if let error = error as? PostgresError, error.isUniqueViolation { throw Self.taken(error) }
      throw error
    }
  }

  private func performRegistration(
    name: String, address: ApplianceURL, priority: Int
  ) async throws -> StorageElement {
    let (seen, spki) = try await whoAnswers(address)
    let storageID = seen.storageID
    if let known = try await elements.element(storageID: storageID) {
      throw APIError(
        .conflict, "this storage element is registered already, as \(known.name); change its url or name there")
    }
    guard try await !revoked.contains(spki) else { throw ApplianceClient.revokedAppliance }
    var candidate = StorageElement(
      candidate: .random(random), name: name, url: address.text, storageID: storageID, spki: spki)
    let client = access.client(for: candidate)
    // Under this identity and this key now: an impostor, a foreign fleet's or another's certificate fails here.
    let info: ApplianceInfo
    do {
      info = try await client.info()
      guard info.storageID == storageID else { throw ApplianceClient.strange("another storage id") }
      // A restored database counts bundles from an older number than the one this appliance has seen.
      guard try await access.bundles.raise(above: info.trustVersion) else {
        throw FleetError("it says to trust key bundle \(info.trustVersion), far beyond ours")
      }
      _ = try await client.deliverTrust()
    } catch {
      throw APIError(
        .conflict,
        "what answers at this address is no appliance of this fleet: its certificate is not signed by the fleet's CA "
          + "for its name, or it was claimed under another trust key; claim it with its code", cause: error)
    }
    candidate = try await elements.register(
      StorageElementTable.Registration(
        id: candidate.id, name: name, url: address.text, storageID: storageID, mode: info.mode, version: info.version,
        priority: priority, spki: spki, certificateExpiresAt: info.certificateExpiresAt))
    return candidate
  }

  /// What somebody at this address says who takes us for its fleet, and the key. Nothing of it is proven.
  func whoAnswers(_ address: ApplianceURL) async throws -> (info: ApplianceInfo, spki: Checksum) {
    let tls = try access.tlsToAnybody()
    return try await access.http.withConnection(to: address.text, exporterLabel: ClaimProof.exporterLabel) {
      connection in
      let request = ClientRequest(.get, address.text + AppliancePaths.info, tls: tls)
      do {
        let (response, body) = try await connection.exchange(request)
        guard response.status == .ok, let peer = connection.peer else {
          throw APIError(
            .conflict, "the appliance at this address does not take us for its fleet; claim it with its code")
        }
        let info = try JSON.decode(ApplianceInfo.self, from: body)
        guard PeerIdentity(role: .appliance, name: info.storageID) != nil else {
          throw ApplianceClient.strange("a bad storage id")
        }
        return (info, SHA256.digest(peer.spki))
      } catch let error as HTTPClientError {
        throw ApplianceClient.unavailable(error)
      } catch let error as DecodingError {
        throw ApplianceClient.strange(JSON.explain(error))
      }
    }
  }
}
