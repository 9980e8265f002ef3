public import Catalogue
public import Core
internal import Crypto
internal import Postgres

/// A storage element with what the fleet knows about it beside the registry's row.
public struct StorageElementView: Sendable {
  public let element: StorageElement
  /// Its certificate is revoked since; nobody of the control plane talks to it.
  public let revokedAt: Timestamp?
  public let revokedReason: String?
  /// When its journal was last compared with what was pinned of it, and what was wrong.
  public let journalCheckedAt: Timestamp?
  public let journalProblem: String?
  public let alone: Alone

  /// For how long a site can be left without any contact.
  public struct Alone: Sendable, Hashable {
    public enum Reason: String, Sendable, Hashable, CaseIterable {
      /// The appliance's certificate ends: then only the administrator's key gets in, to mend it.
      case certificate
      /// The first of the site's local clients ends.
      case localClients = "local_clients"
      /// What was deleted before is forgotten: the catalogue can be brought up to date by a full sync only.
      case changeLog = "change_log"
    }

    /// Each from now, in days; nil where there is nothing that could end.
    public let certificateDays: Double?
    public let localClientDays: Double?
    public let changeLogDays: Double?

    /// The shortest, and why; nil while nothing is known.
    public var shortest: (days: Double, reason: Reason)? {
      let all: [(Double?, Reason)] = [
        (certificateDays, .certificate), (localClientDays, .localClients), (changeLogDays, .changeLog),
      ]
      return all.compactMap { days, reason in days.map { ($0, reason) } }.min { $0.0 < $1.0 }
        .map { (days: $0.0, reason: $0.1) }
    }
  }

  /// Appliances remember deletions for at least so long (DESIGN §4.3).
  static let changeLogRetention = Duration.seconds(90 * 86_400)
}

extension FleetRegistry {
  public func view(_ id: FileID) async throws -> StorageElementView { try await views([try await get(id)])[0] }

  /// In the same order.
  public func views(_ all: [StorageElement]) async throws -> [StorageElementView] {
    var revocations: [Checksum: (at: Timestamp, reason: String)] = [:]
    for key in try await revoked.list() { revocations[key.spki] = (key.revokedAt, key.reason) }
    var ends: [FileID: Timestamp] = [:]
    for client in try await locals.list() {
      for id in client.elements { ends[id] = min(ends[id] ?? client.expiresAt, client.expiresAt) }
    }
    var standing: [FileID: (at: Timestamp, problem: String?)] = [:]
    for row in try await pool.query("SELECT storage_element_id, checked_at, problem FROM fleet_chain_standing") {
      standing[try row.decode(0)] = (try row.decode(1), try row.decode(2))
    }
    let now = time.now()
    func days(_ end: Timestamp?) -> Double? { end.map { max(0, $0.since(now).inSeconds / 86_400) } }
    return all.map { element in
      let forgets = element.lastFileSyncAt.map { $0 + StorageElementView.changeLogRetention }
      return StorageElementView(
        element: element, revokedAt: revocations[element.spki]?.at, revokedReason: revocations[element.spki]?.reason,
        journalCheckedAt: standing[element.id]?.at, journalProblem: standing[element.id]?.problem,
        alone: .init(
          certificateDays: days(element.certificateExpiresAt), localClientDays: days(ends[element.id]),
          changeLogDays: days(forgets)))
    }
  }
}

extension JSONWriter {
  /// The contract's storage element.
  public mutating func value(_ view: StorageElementView) {
    object { json in
      json.members(of: view.element)
      json.member("certificate_revoked_at", view.revokedAt)
      json.key("certificate_revoked_reason")
      if let reason = view.revokedReason { json.string(reason) } else { json.null() }
      json.member("journal_checked_at", view.journalCheckedAt)
      json.key("journal_problem")
      if let problem = view.journalProblem { json.string(problem) } else { json.null() }
      json.key("alone")
      json.object { json in
        json.days("days", view.alone.shortest?.days)
        json.key("reason")
        if let reason = view.alone.shortest?.reason { json.string(reason.rawValue) } else { json.null() }
        json.days("certificate_days", view.alone.certificateDays)
        json.days("local_client_days", view.alone.localClientDays)
        json.days("change_log_days", view.alone.changeLogDays)
      }
    }
  }

  /// One digit behind the point, cut: nobody plans a visit by hours.
  private mutating func days(_ name: String, _ days: Double?) {
    key(name)
    if let days { number((days * 10).rounded(.down) / 10) } else { null() }
  }
}
