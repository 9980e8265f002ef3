internal import Catalogue
internal import Configuration
internal import Core
internal import Fleet
internal import Identity
internal import Reactor
internal import Telemetry

extension Program {
  /// `audit verify`: the log's own chain, and each appliance's journal against the heads that the log holds. 0: nothing
  /// is wrong; appliances out of reach are told, not counted as damage.
  static func verifyAudit(_ values: ConfigurationValues, json: Bool, isOffline: Bool) async throws -> Int32 {
    let foundations = try Foundations(values, logger: logger(values), loops: try loops(values))
    let found = try await withTaskExecutorPreference(foundations.loops.next()) {
      try await verify(foundations, asksAppliances: !isOffline)
    }
    if json {
      say(String(decoding: JSONWriter.document { found.write(to: &$0) }, as: UTF8.self) + "\n")
    } else {
      say("\(found.log.records) records, \(found.log.problem ?? "the chain is whole")\n")
      for journal in found.journals { say("\(journal.element.name): \(journal.verdict.about)\n") }
    }
    return found.isSound ? 0 : CommandError.ExitCode.damageFound.rawValue
  }

  private static func verify(_ foundations: Foundations, asksAppliances: Bool) async throws -> AuditVerification {
    let isFleet = try await !StorageElementTable(pool: foundations.pool).list().isEmpty
    // Without appliances there may be no fleet yet, and looking must not make its keys.
    guard asksAppliances, isFleet else {
      return AuditVerification(log: try await foundations.identity.audit.verify())
    }
    try await foundations.identity.prepare()
    let fleet = try await FleetService.make(
      pool: foundations.pool, identity: foundations.identity, masterKey: foundations.masterKey,
      http: foundations.client, time: foundations.time, random: foundations.random, logger: foundations.logger)
    return try await fleet.verifyAudit(contents: true)
  }
}
