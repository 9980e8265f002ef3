public import Catalogue
public import Core
internal import Crypto
internal import HTTP
internal import HTTPServer
public import Identity
internal import JWT

/// What `audit verify` found: the log's own chain, and each appliance's journal against the heads that the log holds.
public struct AuditVerification: Sendable {
  public let log: AuditVerdict
  /// Empty when the appliances were not asked.
  public let journals: [(element: StorageElement, verdict: JournalVerdict)]

  public init(log: AuditVerdict, journals: [(element: StorageElement, verdict: JournalVerdict)] = []) {
    self.log = log
    self.journals = journals
  }

  /// Nothing is wrong. Appliances out of reach are told, not counted as damage.
  public var isSound: Bool { log.isWhole && !journals.contains { $0.verdict.isDamage } }

  /// The API's form.
  public func write(to json: inout JSONWriter) {
    json.object { json in
      json.member("sound", isSound)
      json.member("whole", log.isWhole)
      json.member("records", log.records)
      json.key("problem")
      if let problem = log.problem { json.string(problem) } else { json.null() }
      json.key("problem_at")
      if let at = log.problemAt { json.integer(at) } else { json.null() }
      json.member("pruned_through", log.prunedThrough)
      json.key("journals")
      json.array { json in
        for journal in journals {
          json.object { json in
            json.member("storage_element_id", journal.element.id.description)
            json.member("name", journal.element.name)
            json.member("verdict", journal.verdict.name)
            json.member("about", journal.verdict.about)
          }
        }
      }
    }
  }
}

extension JournalVerdict {
  var isDamage: Bool { if case .rewritten = self { true } else { false } }

  public var name: String {
    switch self {
    case .sound: "sound"
    case .unchecked: "unchecked"
    case .unreachable: "unreachable"
    case .rewritten: "rewritten"
    }
  }

  /// For people.
  public var about: String {
    switch self {
    case .sound(let pins): "the journal holds all \(pins) pinned heads that are not pruned"
    case .unchecked(let why), .unreachable(let why): "not compared: \(why)"
    case .rewritten(let problem): problem
    }
  }
}

extension FleetService {
  /// Verifies the log, then the journals: the pins are believed because the log that holds them is whole. `contents`:
  /// appliances also read all that they have sealed.
  public func verifyAudit(contents: Bool, journals: Bool = true) async throws -> AuditVerification {
    let log = try await identity.audit.verify()
    return AuditVerification(log: log, journals: journals ? try await verifyJournals(contents: contents) : [])
  }

  /// Each appliance's journal against every head that was pinned; a bounded number at a time, in the registry's order.
  func verifyJournals(contents: Bool = false) async throws -> [(element: StorageElement, verdict: JournalVerdict)] {
    let access = try await access(as: .admin)
    let all = try await registry.list()
    let verdicts = try await withThrowingTaskGroup(of: (FileID, JournalVerdict).self) { group in
      var verdicts: [FileID: JournalVerdict] = [:]
      var waiting = all.makeIterator()
      for _ in 0..<configuration.parallelMax {
        guard let element = waiting.next() else { break }
        group.addTask { [pins] in try await pins.verdict(access.client(for: element), contents) }
      }
      while let found = try await group.next() {
        verdicts[found.0] = found.1
        guard let element = waiting.next() else { continue }
        group.addTask { [pins] in try await pins.verdict(access.client(for: element), contents) }
      }
      return verdicts
    }
    return all.compactMap { element in verdicts[element.id].map { (element, $0) } }
  }
}

extension ChainPins {
  fileprivate func verdict(
    _ client: ApplianceClient, _ contents: Bool
  ) async throws -> (FileID, JournalVerdict) {
    (client.element.id, try await verify(client, contents: contents))
  }
}

/// `GET /api/v1/audit/verify`. Here and not with the rest of the audit because the journals' heads are the fleet's.
struct AuditVerifyRoute: Sendable {
  let fleet: FleetService

  var routes: [Route] { [Route(.get, "/api/v1/audit/verify", .scope(.adminRead), verify)] }

  @Sendable private func verify(_ request: Request) async throws -> Response {
    let contents = try request.flag("contents")
    let journals = try request.flag("journals", otherwise: true)
    let found = try await fleet.verifyAudit(contents: contents, journals: journals)
    return .json(.ok, bytes: JSONWriter.document { found.write(to: &$0) })
  }
}

extension Request {
  /// `true` or `false` in the query.
  func flag(_ name: String, otherwise: Bool = false) throws(APIError) -> Bool {
    switch query[name] {
    case nil: otherwise
    case "false": false
    case "true": true
    default: throw APIError(.validation, "\(name): must be true or false")
    }
  }
}
