internal import Catalogue
internal import Core
internal import HTTP
internal import HTTPClient
internal import Identity
internal import Postgres
internal import Reactor
internal import StorageAPI
internal import Telemetry

/// Why a sync did not end well, or not wholly: `sync_fault` of a storage element, for administrators and alerts.
enum SyncFault: String, Sendable, Hashable {
  /// It could not be reached, or vanished in the middle.
  case unreachable
  /// It is not who was claimed: another key, another certificate.
  case untrusted
  /// A page ended before its closing line.
  case cut
  /// A page that cannot be believed as a whole.
  case badPage = "bad_page"
  /// Pages that never end.
  case endless
  /// Its position went back, or its epoch changed.
  case historyChanged = "history_changed"
  /// The sync ended; some lines were refused.
  case linesRefused = "lines_refused"
  /// The sync ended; more is missing than may be marked without an administrator.
  case lossHeld = "loss_held"
  /// The sync ended; the appliance's digest is another than the catalogue's.
  case unequal
  /// PostgreSQL failed in the middle.
  case database
  case failed

  init(_ error: any Error) {
    switch error {
    case let error as SyncPageError:
      switch error {
      case .noClosing: self = .cut
      case .otherEpoch, .wentBack: self = .historyChanged
      case .endless: self = .endless
      case .badClosing, .afterTheEnd, .tooManyLines, .tooLong, .stuck, .beyondPosition: self = .badPage
      }
    case let error as HTTPClientError: self = error.kind == .untrusted ? .untrusted : .cut
    case is PostgresError: self = .database
    case let error as APIError where error.code == .storageElementUnavailable:
      self = error.message == ApplianceClient.untrustedMessage ? .untrusted : .unreachable
    default: self = .failed
    }
  }
}

/// How a sync ended, in the registry and in the audit trail. A state is audited when it begins and when it ends, not at
/// each attempt.
extension FleetSync {
  /// It ended. On the connection that holds the lock: whoever lost it has not ended well.
  func ended(_ id: FileID, _ report: SyncReport, on connection: PostgresConnection) async throws {
    var fault: SyncFault?
    var text: String?
    if report.isHeld {
      fault = .lossHeld
      text = "sync: documents are missing at the storage element and nothing was marked; accept the loss or restore it"
    } else if report.rejected > 0 {
      // What was refused is in its digest and not in the catalogue: that they differ says nothing more.
      fault = .linesRefused
      text = "sync: \(report.rejected) lines were refused" + (report.complaint.map { "; the first: \($0)" } ?? "")
    } else if report.digest == .different {
      fault = .unequal
      text =
        "sync: the storage element's digest is another than the catalogue's, even after a repair; look at its "
        + "journal (artstore-appliance fsck) and at the log"
    }
    let before = try await elements.synced(id, fault: fault?.rawValue, error: text, on: connection)
    try await audit(id, fault, before: before, text)
  }

  /// PostgreSQL that is being restarted is back within this, most of the time.
  private static let patience = Duration.seconds(20)

  /// It failed. When that is because PostgreSQL is away it is written down once it is back, unless another sync has
  /// ended well meanwhile; with PostgreSQL away for longer there is nowhere to, and the next attempt is due anyway.
  func writeDown(_ error: any Error, of id: FileID, startedAt: Timestamp) async {
    let deadline = time.uptime() + Self.patience
    while true {
      do {
        if let last = try await elements.element(id)?.lastSyncAt, last > startedAt { return }
        return try await failed(id, error)
      } catch {
        let isAway = (error as? PostgresError).map { $0.apiError?.code == .overloaded } ?? false
        guard isAway, time.uptime() < deadline, !Task.isCancelled else {
          return logger.warning("fleet.sync.unrecorded", ["storage_element": .string("\(id)"), "error": .error(error)])
        }
      }
      do { try await IO.sleep(.milliseconds(500)) } catch { return }
    }
  }

  /// It failed.
  private func failed(_ id: FileID, _ error: any Error) async throws {
    let text = "sync: " + ((error as? APIError)?.message ?? String(describing: error))
    let fault = SyncFault(error)
    let before = try await elements.syncFailed(id, fault: fault.rawValue, error: text)
    try await audit(id, fault, before: before, text)
  }

  private func audit(_ id: FileID, _ fault: SyncFault?, before: String?, _ text: String?) async throws {
    guard fault?.rawValue != before else { return }
    var details: [String: JSONValue] = [:]
    if let fault { details["fault"] = .string(fault.rawValue) }
    if let before { details["before"] = .string(before) }
    if let text { details["error"] = .string(String(text.prefix(500))) }
    try await audit.record(
      AuditEntry(
        actor: Actor.system.subject,
        action: fault == nil ? "storage_element.sync_recovered" : "storage_element.sync_fault",
        target: id.description, result: fault == nil ? .ok : .failed, details: details))
  }
}
