internal import Catalogue
internal import Core
internal import Fleet
internal import HTTP
internal import Identity
internal import Service
internal import StorageAPI

/// The console's view of the fleet, whose registry checks the rules and writes the audit itself.
struct FleetBackend: ConsoleFleet {
  let registry: FleetRegistry
  let taskStates: @Sendable () -> [TaskStatus]

  func storageElements() async throws -> [StorageElement] {
    try await registry.list().map { StorageElement($0) }
  }

  func storageElement(_ id: String) async throws -> StorageElement? {
    guard let id = FileID(id) else { return nil }
    do {
      let view = try await registry.view(id)
      let trend = try await registry.capacityTrend(id)
      var element = StorageElement(view.element)
      element.daysToFull = trend.daysToFull.map { Int(min($0, 100_000).rounded()) }
      element.standing = SiteStanding(view, trend, answeredShare: try await registry.answeredShare(id))
      (element.certificateRevokedAt, element.certificateRevokedReason) = (view.revokedAt, view.revokedReason)
      return element
    } catch let error as APIError where error.code == .notFound {
      return nil
    }
  }

  func discover(url: String, actor: Person) async throws -> Discovery {
    let found = try await registry.discover(url: url)
    return Discovery(
      url: found.url, storageID: found.storageID, version: found.version, mode: found.mode,
      knownAs: found.known?.name, isClaimed: found.isClaimed)
  }

  func claim(_ claim: ClaimForm, actor: Person) async throws -> StorageElement {
    StorageElement(
      try await registry.claim(
        name: claim.name, url: claim.url, code: claim.claimCode, priority: claim.priority, by: actor.forIdentity))
  }

  func sync(_ id: String, actor: Person) async throws -> SyncSummary {
    let report = try await registry.sync(try Self.id(id), by: actor.forIdentity).report
    return SyncSummary(
      added: report.added, updated: report.updated, deleted: report.deleted + report.missing,
      unchanged: report.unchanged)
  }

  func transition(_ id: String, to mode: ApplianceMode, actor: Person) async throws {
    _ = try await registry.mode(try Self.id(id), to: mode, confirm: true, by: actor.forIdentity)
  }

  func update(_ id: String, name: String, priority: Int, actor: Person) async throws {
    _ = try await registry.update(try Self.id(id), name: name, priority: priority, by: actor.forIdentity)
  }

  func acceptLoss(_ id: String, actor: Person) async throws {
    _ = try await registry.acceptLoss(try Self.id(id), by: actor.forIdentity)
  }

  func remove(_ id: String, force: Bool, actor: Person) async throws {
    try await registry.remove(try Self.id(id), force: force, by: actor.forIdentity)
  }

  func tasks() async throws -> [TaskState] {
    taskStates().map { status in
      var state = TaskState(
        name: status.name, lastRunAt: status.startedAt, lastResult: nil, hasFailed: false, nextRunAt: status.nextRun)
      switch status.lastResult {
      case .success(let what): state.lastResult = what
      case .failure(let why): (state.lastResult, state.hasFailed) = (why, true)
      case nil: if status.completedRuns == 0 { state.lastRunAt = nil }
      }
      return state
    }
  }

  static func id(_ text: String) throws(APIError) -> FileID {
    guard let id = FileID(text) else { throw APIError(.notFound, "there is no such storage element; reload the page") }
    return id
  }
}

extension StorageElement {
  /// As the registry knows it. Before the first contact its figures are zero, which is no capacity anyone has.
  init(_ known: Catalogue.StorageElement) {
    let isMeasured = known.capacityBytes > 0
    self.init(
      id: known.id.description, name: known.name, url: known.url, storageID: known.storageID, mode: known.mode,
      status: StorageStatus(reported: known.status.rawValue), capacityBytes: isMeasured ? known.capacityBytes : nil,
      usedBytes: isMeasured ? known.usedBytes : nil, availableBytes: isMeasured ? known.availableBytes : nil,
      priority: known.priority, lastSyncAt: known.lastContactAt, lastFileSyncAt: known.lastFileSyncAt,
      provenEqualAt: known.provenEqualAt, clockOffsetMilliseconds: known.clockOffsetMilliseconds.map { Int($0) },
      certificateExpiresAt: known.certificateExpiresAt, createdAt: known.createdAt, problem: known.lastError,
      syncFault: known.syncFault, isLossHeld: known.lossHold)
    isClockWrong = known.isClockWrong
  }
}

extension SiteStanding {
  init(_ view: StorageElementView, _ trend: CapacityTrend, answeredShare: Double?) {
    self.init(
      answeredShare: answeredShare,
      terms: view.alone.all.sorted { $0.days < $1.days }.map { Term(reason: $0.reason.rawValue, days: Int($0.days)) },
      journalCheckedAt: view.journalCheckedAt, journalProblem: view.journalProblem,
      points: trend.points.map { Point(at: $0.at, usedBytes: $0.usedBytes) }, bytesPerDay: trend.bytesPerDay)
  }
}
