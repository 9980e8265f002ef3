public import Catalogue
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

  /// A head as it was pinned.
  struct Pin: Sendable, Hashable {
    let epoch: Int64
    let lsn: Int64
    let head: Checksum
  }

  static let action = "journal.pin"
  private static let pagesMax = 1000

  /// After each sync: compares with the newest pin, then pins the present head. A rewritten journal is a state of the
  /// registry until the appliance begins a new life; its new head is not pinned.
  func look(_ client: ApplianceClient) async throws {
    let info = try await client.info()
    let id = client.element.id
    guard let head = info.chainHead, let epoch = info.epochNumber, let lsn = Int64(exactly: info.lastLSN) else {
      return
    }
    let now = Pin(epoch: epoch, lsn: lsn, head: head)
    let newest = try await newest(of: id)
    if let newest, newest.epoch == epoch, newest.head == head { return try await note(id, problem: nil) }
    if let newest, newest.epoch == epoch {
      switch try await compare([newest], client) {
      case .rewritten(let problem): return try await rewritten(client.element, problem)
      case .unchecked(let why):
        logger.notice(
          "fleet.chain.unchecked", ["storage_element": .string(client.element.name), "why": .string(why)])
      case .sound, .unreachable: break
      }
    }
    try await pool.transaction { connection in
      try await connection.query(
        """
        INSERT INTO fleet_chain_pins (storage_element_id, epoch, lsn, chain_head)
        VALUES (\(id), \(epoch), \(lsn), \(head.description)) ON CONFLICT DO NOTHING
        """)
      try await self.audit.record(Self.entry(now, id, restartedFrom: newest?.epoch), on: connection)
    }
    try await note(id, problem: nil)
  }

  /// All pins that the audit log holds for the appliance's present life, against its chain.
  func verify(_ client: ApplianceClient) async throws -> JournalVerdict {
    let info: ApplianceInfo
    do { info = try await client.info() } catch { return .unreachable(error.message) }
    guard let epoch = info.epochNumber else { return .unchecked("its epoch is no number") }
    let pins = try await recorded(client.element.id).filter { $0.epoch == epoch }
    guard !pins.isEmpty else { return .unchecked("nothing is pinned for its present life") }
    let verdict = try await compare(pins, client)
    if case .rewritten(let problem) = verdict { try await rewritten(client.element, problem) }
    return verdict
  }

  /// Walks the chain from its end until every pin is found, or it ends.
  private func compare(_ pins: [Pin], _ client: ApplianceClient) async throws -> JournalVerdict {
    var missing = Dictionary(pins.map { ($0.head, $0) }) { first, second in first.lsn < second.lsn ? first : second }
    let count = missing.count
    var before: UInt64?
    for _ in 0..<Self.pagesMax {
      let page: JournalChain
      do {
        page = try await client.chain(before: before)
      } catch {
        if error.code == .notFound { return .unchecked("its version does not show its chain yet") }
        return .unreachable(error.message)
      }
      for link in page.segments { missing[link.previous] = nil }
      // Pruned history cannot be looked at any more: what was pinned of it is over.
      missing = missing.filter { UInt64(clamping: $0.value.lsn) > page.prunedLSN }
      guard !missing.isEmpty else { return .sound(pins: count) }
      guard let oldest = page.segments.last, oldest.number > 1 else { break }
      before = oldest.number
    }
    let first = missing.values.min { $0.lsn < $1.lsn }
    return .rewritten(
      "its journal does not hold the head that was pinned at LSN \(first?.lsn ?? 0) any more: history was rewritten, "
        + "or an older copy was restored without --adopt")
  }

  private func newest(of id: FileID) async throws -> Pin? {
    let row = try await pool.query(
      """
      SELECT epoch, lsn, chain_head FROM fleet_chain_pins WHERE storage_element_id = \(id)
      ORDER BY pinned_at DESC, lsn DESC LIMIT 1
      """
    ).first
    guard let row, let head = Checksum(try row.decode("chain_head", as: String.self)) else { return nil }
    return Pin(epoch: try row.decode("epoch"), lsn: try row.decode("lsn"), head: head)
  }

  private func recorded(_ id: FileID) async throws -> [Pin] {
    var filter = AuditFilter()
    filter.action = Self.action
    filter.target = id.description
    var pins: [Pin] = []
    var after: Int64 = 0
    while true {
      let page = try await audit.export(filter, after: after, limit: 1000)
      guard let last = page.last else { return pins }
      for record in page {
        guard case .integer(let epoch)? = record.entry.details["epoch"],
          case .integer(let lsn)? = record.entry.details["lsn"],
          case .string(let text)? = record.entry.details["chain_head"], let head = Checksum(text)
        else { continue }
        pins.append(Pin(epoch: epoch, lsn: lsn, head: head))
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

  private static func entry(_ pin: Pin, _ id: FileID, restartedFrom epoch: Int64?) -> AuditEntry {
    var details: [String: JSONValue] = [
      "epoch": .integer(pin.epoch), "lsn": .integer(pin.lsn), "chain_head": .string(pin.head.description),
    ]
    // A new life: what was pinned of the old one cannot be compared any more.
    if let epoch, epoch != pin.epoch { details["previous_epoch"] = .integer(epoch) }
    return AuditEntry(actor: Actor.system.subject, action: action, target: id.description, details: details)
  }
}

extension FleetService {
  /// For `audit verify`: each appliance's journal against every head that was pinned.
  public func verifyJournals() async throws -> [(element: StorageElement, verdict: JournalVerdict)] {
    let access = try await access(as: .admin)
    var found: [(element: StorageElement, verdict: JournalVerdict)] = []
    for element in try await registry.list() {
      found.append((element, try await pins.verify(access.client(for: element))))
    }
    return found
  }
}
