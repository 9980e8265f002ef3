internal import Catalogue
internal import Core
internal import Crypto
internal import HTTP
internal import Identity
internal import Postgres
internal import StorageAPI
internal import Telemetry

/// What a look at an appliance's journal found about the heads that were pinned before.
public enum JournalVerdict: Sendable, Hashable {
  /// Every pinned head that is not pruned is in the chain; how many were looked for.
  case sound(pins: Int)
  /// Nothing is pinned for its present life, or it cannot show its chain yet.
  case unchecked(String)
  case unreachable(String)
  /// A pinned head is gone: history was changed after it was pinned.
  case rewritten(String)
}

/// The heads of appliances' journal chains, pinned at each sync: an appliance cannot rewrite its history unnoticed, and
/// because each pin is a record of the audit chain, neither can whoever writes to the database (DESIGN §5, Audit).
struct ChainPins: Sendable {
  let pool: PostgresPool
  let audit: Audit
  let logger: Logger

  static let action = "journal.pin"
  private static let pagesMax = 10_000

  /// After each sync: has the journal sealed, so that nothing stays unpinned for long, compares with the newest pin,
  /// then pins the present head. A rewritten journal is a state of the registry until the appliance begins a new life;
  /// its new head is not pinned.
  func look(_ client: ApplianceClient) async throws {
    let id = client.element.id
    guard let link = try await head(client), let epoch = Int64(exactly: link.epoch),
      let segment = Int64(exactly: link.number), let first = Int64(exactly: link.firstLSN)
    else { return }
    let now = ChainPin(epoch: epoch, lsn: max(0, first - 1), head: link.previous, segment: segment)
    let newest = try await newest(of: id)
    if let newest, newest.epoch == epoch, newest.head == now.head, newest.segment ?? segment == segment {
      return try await note(id, problem: nil)
    }
    if let newest, newest.epoch == epoch {
      switch try await compare([newest], epoch: epoch, client) {
      case .rewritten(let problem): return try await rewritten(client.element, problem)
      case .unchecked(let why):
        logger.notice(
          "fleet.chain.unchecked", ["storage_element": .string(client.element.name), "why": .string(why)])
      case .sound, .unreachable: break
      }
    }
    // Before the first segment is sealed there is nothing to vouch for.
    guard segment > 1 else { return try await note(id, problem: nil) }
    try await pool.transaction { connection in
      try await connection.query(
        """
        INSERT INTO fleet_chain_pins (storage_element_id, epoch, lsn, chain_head, segment)
        VALUES (\(id), \(epoch), \(now.lsn), \(now.head.description), \(segment)) ON CONFLICT DO NOTHING
        """)
      try await self.audit.record(Self.entry(now, id, restartedFrom: newest?.epoch), on: connection)
    }
    try await note(id, problem: nil)
  }

  /// The chain's newest link, after sealing where that can be had; nil from versions that show no chain.
  private func head(_ client: ApplianceClient) async throws(APIError) -> JournalChain.Link? {
    do {
      return try await client.sealJournal().head
    } catch {
      // An older version, or a store that cannot write now: what it shows without sealing is looked at all the same.
      logger.info(
        "fleet.chain.unsealed", ["storage_element": .string(client.element.name), "why": .string(error.message)])
    }
    do {
      return try await client.chain(limit: 1).segments.first
    } catch {
      guard error.code == .notFound else { throw error }
      return nil
    }
  }

  /// All pins that the audit log holds for the appliance against its chain; `contents`: the sealed segments' bytes
  /// against their hashes as well, which takes the appliance a while.
  func verify(_ client: ApplianceClient, contents: Bool) async throws -> JournalVerdict {
    let info: ApplianceInfo
    do { info = try await client.info() } catch { return .unreachable(error.message) }
    guard let epoch = info.epochNumber else { return .unchecked("its epoch is no number") }
    let pins = try await recorded(client.element.id)
    guard pins.contains(where: { $0.epoch == epoch }) else {
      return .unchecked("nothing is pinned for its present life")
    }
    let verdict = try await compare(pins, epoch: epoch, client, toTheEnd: true, contents: contents)
    if case .rewritten(let problem) = verdict { try await rewritten(client.element, problem) }
    return verdict
  }

  /// Walks the chain from its newest link until every pin of this life is found, or `toTheEnd`.
  private func compare(
    _ pins: [ChainPin], epoch: Int64, _ client: ApplianceClient, toTheEnd: Bool = false, contents: Bool = false
  ) async throws -> JournalVerdict {
    var comparison = ChainComparison(pins, epoch: epoch)
    var before: UInt64?
    for _ in 0..<Self.pagesMax {
      let page: JournalChain
      do {
        page = try await client.chain(before: before, contents: contents)
      } catch {
        switch error.code {
        case .notFound: return .unchecked("its version does not show its chain yet")
        case .internalError: return .rewritten(error.message)
        default: return .unreachable(error.message)
        }
      }
      if let problem = comparison.take(page) { return .rewritten(problem) }
      if !toTheEnd, comparison.isComplete { break }
      guard let oldest = page.segments.last, oldest.number > 1 else {
        if let problem = comparison.problemAtEnd() { return .rewritten(problem) }
        break
      }
      before = oldest.number
    }
    return comparison.verdict
  }

  private func newest(of id: FileID) async throws -> ChainPin? {
    let row = try await pool.query(
      """
      SELECT epoch, lsn, chain_head, segment FROM fleet_chain_pins WHERE storage_element_id = \(id)
      ORDER BY pinned_at DESC, lsn DESC LIMIT 1
      """
    ).first
    guard let row, let head = Checksum(try row.decode("chain_head", as: String.self)) else { return nil }
    return ChainPin(
      epoch: try row.decode("epoch"), lsn: try row.decode("lsn"), head: head, segment: try row.decode("segment"))
  }

  private func recorded(_ id: FileID) async throws -> [ChainPin] {
    var filter = AuditFilter()
    filter.action = Self.action
    filter.target = id.description
    var pins: [ChainPin] = []
    var after: Int64 = 0
    while true {
      let page = try await audit.export(filter, after: after, limit: 1000)
      guard let last = page.last else { return pins }
      for record in page {
        guard case .integer(let epoch)? = record.entry.details["epoch"],
          case .integer(let lsn)? = record.entry.details["lsn"],
          case .string(let text)? = record.entry.details["chain_head"], let head = Checksum(text)
        else { continue }
        let segment: Int64? = if case .integer(let number)? = record.entry.details["segment"] { number } else { nil }
        pins.append(ChainPin(epoch: epoch, lsn: lsn, head: head, segment: segment))
      }
      after = last.sequence
    }
  }

  /// One record when it is found, not one at each look.
  private func rewritten(_ element: StorageElement, _ problem: String) async throws {
    logger.error("fleet.chain.rewritten", ["storage_element": .string(element.name), "problem": .string(problem)])
    let known = try await pool.query(
      "SELECT problem FROM fleet_chain_standing WHERE storage_element_id = \(element.id)"
    ).first.map { try $0.decode(0, as: String?.self) }
    try await note(element.id, problem: problem)
    if let known, known == problem { return }
    try await audit.record(
      AuditEntry(
        actor: Actor.system.subject, action: "journal.rewritten", target: element.id.description, result: .failed,
        details: ["name": .string(element.name), "problem": .string(problem)]))
  }

  private func note(_ id: FileID, problem: String?) async throws {
    try await pool.query(
      """
      INSERT INTO fleet_chain_standing (storage_element_id, checked_at, problem) VALUES (\(id), now(), \(problem))
      ON CONFLICT (storage_element_id) DO UPDATE SET checked_at = excluded.checked_at, problem = excluded.problem
      """)
  }

  private static func entry(_ pin: ChainPin, _ id: FileID, restartedFrom epoch: Int64?) -> AuditEntry {
    var details: [String: JSONValue] = [
      "epoch": .integer(pin.epoch), "lsn": .integer(pin.lsn), "chain_head": .string(pin.head.description),
    ]
    if let segment = pin.segment { details["segment"] = .integer(segment) }
    // A new life: what was pinned of the old one cannot be compared any more.
    if let epoch, epoch != pin.epoch { details["previous_epoch"] = .integer(epoch) }
    return AuditEntry(actor: Actor.system.subject, action: action, target: id.description, details: details)
  }
}
