internal import Catalogue
internal import Core
internal import Crypto
internal import HTTP
internal import Identity
internal import StorageAPI
internal import Telemetry

/// Polls appliances; at each contact renews a certificate past two thirds of its life, delivers the key bundle if there
/// is a newer one, and the time if the clocks differ.
struct FleetHealth: Sendable {
  let elements: StorageElementTable
  let access: ApplianceAccess
  let authority: FleetAuthority
  let audit: Audit
  let configuration: FleetConfiguration
  let time: any TimeSource
  let logger: Logger

  private static let historyDays = 90
  private static let clockDifferenceMax: Int64 = 1000

  /// Polls every appliance that no other replica has taken on, a bounded number at a time. What it did, in words.
  func pollAll() async throws -> String {
    let all = try await elements.claimPolls(pause: configuration.healthInterval * 0.9)
    let reached = await withTaskGroup(of: Bool.self) { group in
      var waiting = all.makeIterator()
      var reached = 0
      for _ in 0..<configuration.parallelMax {
        guard let element = waiting.next() else { break }
        group.addTask { await pollQuietly(element) }
      }
      while let answered = await group.next() {
        reached += answered ? 1 : 0
        if let element = waiting.next() { group.addTask { await pollQuietly(element) } }
      }
      return reached
    }
    return "reached \(reached) of \(all.count)"
  }

  /// Every poll of two days is kept, then one an hour.
  func tidyHistory() async throws -> String {
    "forgot \(try await elements.tidyHealth(days: Self.historyDays)) samples"
  }

  private func pollQuietly(_ element: StorageElement) async -> Bool {
    do {
      return try await poll(element).status != .offline
    } catch {
      logger.warning("fleet.poll.failed", ["storage_element": .string(element.name), "error": .error(error)])
      return false
    }
  }

  /// One poll; the row as it stands after it. An unreachable appliance is recorded, not thrown.
  func poll(_ element: StorageElement) async throws -> StorageElement {
    let client = access.client(for: element)
    let started = time.uptime()
    do throws(APIError) {
      let sent = time.now()
      let info = try await client.info()
      let roundTrip = time.uptime() - started
      // Their clock was read somewhere between sending and receiving: half the round trip is the best guess.
      let offset = info.clock.time.since(sent + roundTrip / 2).microseconds / 1000
      let seen = try Self.observation(info, offset: offset, roundTrip: roundTrip)
      guard info.storageID == element.storageID else { throw ApplianceClient.strange("another storage id") }
      try await record(element.id, seen)
      await maintain(client, info, offset: offset)
    } catch {
      logger.notice(
        "fleet.unreachable", ["storage_element": .string(element.name), "error": .string(error.cause ?? error.message)])
      try await elements.unreachable(element.id, error.message)
      // Once, not at each poll.
      if error.message == ApplianceClient.untrustedMessage, element.lastError != error.message {
        try await audit.record(
          AuditEntry(
            actor: Actor.system.subject, action: "storage_element.untrusted", target: element.id.description,
            result: .refused,
            details: ["name": .string(element.name), "error": .string("\(error.cause ?? error.message)")]))
      }
    }
    let after = try await elements.element(element.id) ?? element
    try await noteClock(before: element, after: after)
    return after
  }

  /// A clock that has become wrong, or right again, is told once. An appliance with a wrong one removes nothing.
  private func noteClock(before: StorageElement, after: StorageElement) async throws {
    let isWrong = after.isClockWrong
    guard isWrong != before.isClockWrong else { return }
    try await audit.record(
      AuditEntry(
        actor: Actor.system.subject, action: "storage_element.clock_" + (isWrong ? "wrong" : "right"),
        target: after.id.description, result: isWrong ? .failed : .ok,
        details: [
          "name": .string(after.name),
          "offset_ms": after.clockOffsetMilliseconds.map { JSONValue.integer($0) } ?? .null,
        ]))
  }

  private func record(_ id: FileID, _ seen: StorageElementTable.Observation) async throws(APIError) {
    do { try await elements.observed(id, seen) } catch {
      throw APIError(.internalError, "the poll's result could not be kept", cause: error)
    }
  }

  /// What can be mended at a contact. A failure is logged: the next contact tries again.
  private func maintain(_ client: ApplianceClient, _ info: ApplianceInfo, offset: Int64) async {
    do {
      var bundle = try await access.bundles.current()
      if info.trustVersion > bundle.version {
        guard try await access.bundles.raise(above: info.trustVersion) else {
          throw FleetError("it says to trust key bundle \(info.trustVersion), ours is \(bundle.version)")
        }
        bundle = try await access.bundles.current()
      }
      var version = info.trustVersion
      if version < bundle.version { version = try await client.deliverTrust() }
      // Another role may have brought it.
      if Int64(version) > client.element.bundleVersion {
        try await elements.setBundleVersion(client.element.id, Int64(version))
      }
      if abs(offset + info.clock.offsetMilliseconds) > Self.clockDifferenceMax {
        _ = try await client.deliver(
          time: info.clock.time - .milliseconds(offset), answering: info.clock.time)
      }
      if info.certificateExpiresAt < time.now() + configuration.applianceCertificateLife / 3 {
        try await renew(client)
      }
    } catch {
      logger.warning(
        "fleet.maintenance.failed", ["storage_element": .string(client.element.name), "error": .error(error)])
    }
  }

  private func renew(_ client: ApplianceClient) async throws {
    let request = try CertificateRequest(pem: try await client.certificateRequest())
    guard request.publicKey.spkiHash == client.element.spki else {
      throw FleetError("\(client.element.name) asks for a certificate for another key than the pinned one")
    }
    let host = try ApplianceURL(client.element.url).host
    let certificate = try authority.issue(
      appliance: client.element.storageID, key: request.publicKey, host: host,
      life: configuration.applianceCertificateLife)
    try await client.install(certificate: certificate.pem + authority.authority.certificate.pem)
    try await elements.setCertificateExpiry(client.element.id, certificate.notAfter, spki: client.element.spki)
    try await audit.record(
      AuditEntry(
        actor: Actor.system.subject, action: "storage_element.certificate_renewed",
        target: client.element.id.description,
        details: ["name": .string(client.element.name), "not_after": .string("\(certificate.notAfter)")]))
    logger.info("fleet.certificate.renewed", ["storage_element": .string(client.element.name)])
  }

  private static func observation(
    _ info: ApplianceInfo, offset: Int64, roundTrip: Duration
  ) throws(APIError) -> StorageElementTable.Observation {
    guard let epoch = info.epochNumber, let lsn = Int64(exactly: info.lastLSN),
      let status = StorageElementStatus(rawValue: info.status.rawValue)
    else { throw ApplianceClient.strange("an epoch or LSN out of range") }
    return StorageElementTable.Observation(
      status: status, mode: info.mode, version: info.version, capacityBytes: info.capacity.totalBytes,
      usedBytes: info.capacity.usedBytes, availableBytes: info.capacity.availableBytes, epoch: epoch, lastLSN: lsn,
      chainHead: info.chainHead?.description, clockOffsetMilliseconds: offset,
      roundTripMilliseconds: Int(roundTrip.microseconds / 1000))
  }
}
