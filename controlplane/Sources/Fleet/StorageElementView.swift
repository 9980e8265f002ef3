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
      /// The authority in the site's key bundle ends: then nobody of the fleet gets in.
      case keyBundle = "key_bundle"
    }

    /// Each from now, in days; nil where there is nothing that could end.
    public let certificateDays: Double?
    public let localClientDays: Double?
    public let changeLogDays: Double?
    public let keyBundleDays: Double?
    /// How long the control plane goes on signing with keys that the site knows. Not among what ends: whoever calls
    /// next brings the new ones (decision 61).
    public let signingKeyDays: Double?

    /// Each reason with its days, where it could end.
    public var all: [(days: Double, reason: Reason)] {
      let all: [(Double?, Reason)] = [
        (certificateDays, .certificate), (localClientDays, .localClients), (changeLogDays, .changeLog),
        (keyBundleDays, .keyBundle),
      ]
      return all.compactMap { days, reason in days.map { ($0, reason) } }
    }

    /// The shortest, and why; nil while nothing is known.
    public var shortest: (days: Double, reason: Reason)? { all.min { $0.days < $1.days } }
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
    let signing = try await access.bundles.signingEnds()
    let authorityEnds = authority.authority.certificate.notAfter
    let now = time.now()
    func days(_ end: Timestamp?) -> Double? { end.map { max(0, $0.since(now).inSeconds / 86_400) } }
    return all.map { element in
      let forgets = element.lastFileSyncAt.map { $0 + StorageElementView.changeLogRetention }
      return StorageElementView(
        element: element, revokedAt: revocations[element.spki]?.at, revokedReason: revocations[element.spki]?.reason,
        journalCheckedAt: standing[element.id]?.at, journalProblem: standing[element.id]?.problem,
        alone: .init(
          certificateDays: days(element.certificateExpiresAt), localClientDays: days(ends[element.id]),
          changeLogDays: days(forgets), keyBundleDays: days(authorityEnds),
          signingKeyDays: days(signing[element.bundleVersion])))
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
        json.days("key_bundle_days", view.alone.keyBundleDays)
        json.days("signing_key_days", view.alone.signingKeyDays)
      }
    }
  }

  /// A number, or null for none.
  mutating func value(_ number: Double?) {
    if let number { self.number(number) } else { null() }
  }

  mutating func value(_ trend: CapacityTrend) {
    object { json in
      json.key("bytes_per_day")
      json.value(trend.bytesPerDay.map { $0.rounded() })
      json.key("points")
      json.array { json in
        for point in trend.points {
          json.object { json in
            json.member("at", point.at)
            json.member("used_bytes", point.usedBytes)
            json.member("available_bytes", point.availableBytes)
            json.key("clock_offset_ms")
            if let offset = point.clockOffsetMilliseconds { json.integer(offset) } else { json.null() }
          }
        }
      }
    }
  }

  /// One digit behind the point, cut: nobody plans a visit by hours.
  private mutating func days(_ name: String, _ days: Double?) {
    key(name)
    if let days { number((days * 10).rounded(.down) / 10) } else { null() }
  }
}
