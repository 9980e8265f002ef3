internal import Core
internal import Crypto
internal import HTTP
internal import HTTPServer
internal import JWT
internal import StorageAPI
internal import Store

/// What the appliance is and does: `/info`, the mode, maintenance.
struct StateRoutes: Sendable {
  let store: Store
  let maintenance: any Maintenance
  let onboarding: Onboarding
  let time: any TimeSource

  static let waitSecondsDefault = 30
  static let waitSecondsMax = 300
  /// Everybody of the fleet may know how an appliance does; another appliance has no business here.
  static let infoRoles = Set(PeerRole.allCases).subtracting([.appliance])

  var routes: [Route] {
    [
      Route(.get, AppliancePaths.info, .certificate(Self.infoRoles)) { try info($0) },
      Route(.post, AppliancePaths.modeTransition, .scope(.storageWrite)) { try await transition($0) },
      Route(.post, AppliancePaths.reconcile, .scope(.storageWrite)) { try await start(.reconcile, $0) },
      Route(.post, AppliancePaths.scrub, .scope(.storageWrite)) { try await start(.scrub, $0) },
      Route(.get, AppliancePaths.maintenanceRun, .scope(.storageRead)) { try run($0) },
    ]
  }

  private func info(_ request: Request) throws -> Response {
    let summary = store.summary
    let trust = onboarding.trust
    let info = ApplianceInfo(
      storageID: onboarding.storageID.description, mode: summary.mode, status: status(summary),
      capacity: .init(
        totalBytes: summary.totalBytes, usedBytes: summary.usedBytes, availableBytes: summary.availableBytes),
      epoch: summary.epoch, lastLSN: summary.lastLSN, chainHead: summary.chainHead, clock: trust.clockState,
      tasks: maintenance.tasks, trustVersion: trust.bundleVersion,
      certificateExpiresAt: onboarding.identity.certificate.notAfter, readOnlyReason: summary.readOnlyReason,
      scrub: maintenance.scrub, upkeepPaused: maintenance.isPaused, tombstoneFloor: summary.tombstoneFloor,
      indexTrouble: summary.indexTrouble)
    return try .json(.ok, info)
  }

  private func status(_ summary: StoreSummary) -> ApplianceInfo.Status {
    let isIndexWhole = summary.index == .ready && summary.indexTrouble == nil
    if summary.readOnlyReason != nil || !isIndexWhole || !onboarding.trust.clockState.trusted { return .degraded }
    return maintenance.isRunning ? .maintenance : .online
  }

  private func transition(_ request: Request) async throws -> Response {
    let members = try await request.json([String: JSONValue].self)
    for name in members.keys where name != "target_mode" && name != "confirm" {
      throw RecordValidation.refuse(String(name.prefix(80)), "there is no such member; send target_mode and confirm")
    }
    guard case .string(let text)? = members["target_mode"], let target = ApplianceMode(rawValue: text) else {
      throw RecordValidation.refuse("target_mode", "must be one of edit, rw, ro, ar")
    }
    let confirm: Bool
    switch members["confirm"] {
    case nil, .null: confirm = false
    case .bool(let value): confirm = value
    default: throw RecordValidation.refuse("confirm", "must be true or false")
    }
    let done = try await store.transition(to: target, confirm: confirm, by: request.actor)
    let answer = ModeTransitionAnswer(previousMode: done.previous, currentMode: done.current, transitionedAt: done.at)
    var response = try Response.json(.ok, answer)
    response.headers[Position.headerName] = done.position.cursor
    return response
  }

  private func start(_ kind: MaintenanceKind, _ request: Request) async throws -> Response {
    let query = QueryReader(request.query)
    try query.allow("wait")
    let wait = try query.integer("wait", in: 0...Self.waitSecondsMax) ?? Self.waitSecondsDefault
    return try Self.answer(try await maintenance.start(kind, wait: .seconds(wait)))
  }

  private func run(_ request: Request) throws -> Response {
    let id = request.parameter("run_id")
    guard id.utf8.count <= 64, let state = maintenance.run(id) else {
      throw APIError(.notFound, "no maintenance run has this id; only recent runs are kept")
    }
    return try Self.answer(state)
  }

  private static func answer(_ state: MaintenanceState) throws(APIError) -> Response {
    switch state {
    case .done(let report): return .json(bytes: report)
    case .running(let id): return .json(.accepted) { $0.member("run_id", id) }
    case .failed(let reason): throw APIError(.internalError, "the run could not go on: \(reason)")
    }
  }
}
