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
    let (verdict, journals) = try await withTaskExecutorPreference(foundations.loops.next()) {
      let verdict = try await foundations.identity.audit.verify()
      return (verdict, isOffline ? [] : try await verifyJournals(foundations))
    }
    let rewritten = journals.filter { if case .rewritten = $0.verdict { true } else { false } }
    if json {
      say(String(decoding: document(verdict, journals), as: UTF8.self) + "\n")
    } else {
      say("\(verdict.records) records, \(verdict.problem ?? "the chain is whole")\n")
      for journal in journals { say("\(journal.element.name): \(words(journal.verdict))\n") }
    }
    return verdict.isWhole && rewritten.isEmpty ? 0 : CommandError.ExitCode.damageFound.rawValue
  }

  private typealias Journals = [(element: StorageElement, verdict: JournalVerdict)]

  private static func verifyJournals(_ foundations: Foundations) async throws -> Journals {
    // Without appliances there may be no fleet yet, and looking must not make its keys.
    guard try await !StorageElementTable(pool: foundations.pool).list().isEmpty else { return [] }
    try await foundations.identity.prepare()
    let fleet = try await FleetService.make(
      pool: foundations.pool, identity: foundations.identity, masterKey: foundations.masterKey,
      http: foundations.client, time: foundations.time, random: foundations.random, logger: foundations.logger)
    return try await fleet.verifyJournals()
  }

  private static func document(_ verdict: AuditVerdict, _ journals: Journals) -> [UInt8] {
    JSONWriter.document { json in
      json.object { json in
        json.member("whole", verdict.isWhole)
        json.member("records", verdict.records)
        json.member("pruned_through", verdict.prunedThrough)
        json.key("problem")
        if let problem = verdict.problem { json.string(problem) } else { json.null() }
        json.member("pruned_through", verdict.prunedThrough)
        json.key("journals")
        json.array { json in
          for journal in journals {
            json.object { json in
              json.member("storage_element_id", journal.element.id.description)
              json.member("name", journal.element.name)
              json.member("verdict", name(journal.verdict))
              json.member("about", words(journal.verdict))
            }
          }
        }
      }
    }
  }

  private static func name(_ verdict: JournalVerdict) -> String {
    switch verdict {
    case .sound: "sound"
    case .unchecked: "unchecked"
    case .unreachable: "unreachable"
    case .rewritten: "rewritten"
    }
  }

  private static func words(_ verdict: JournalVerdict) -> String {
    switch verdict {
    case .sound(let pins): "the journal holds all \(pins) pinned heads that are not pruned"
    case .unchecked(let why): "not compared: \(why)"
    case .unreachable(let why): "not compared: \(why)"
    case .rewritten(let problem): problem
    }
  }
}
