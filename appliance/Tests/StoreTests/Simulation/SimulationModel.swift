import Core
import StorageAPI

/// What must be visible: a plain dictionary. A change that was submitted and never answered may or may not have
/// happened, but never without those before it.
struct SimulationModel {
  struct Document: Equatable {
    var bytes: [UInt8]
    var description: String?
    var status: FileStatus
    var expiresAt: Timestamp?
  }

  enum Change: Equatable {
    case put([UInt8], expiresAt: Timestamp?)
    case describe(String)
    case delete
    case expire
    case purge

    func applied(to document: Document?) -> Document? {
      switch self {
      case .put(let bytes, let expiresAt):
        return Document(bytes: bytes, description: nil, status: .active, expiresAt: expiresAt)
      case .describe(let text):
        guard var document, document.status == .active else { return document }
        document.description = text
        return document
      case .delete:
        guard var document else { return nil }
        document.status = .deleted
        return document
      case .expire:
        guard var document, document.status == .active else { return document }
        document.status = .expired
        return document
      case .purge: return nil
      }
    }
  }

  /// As acknowledged.
  private(set) var acknowledged: [FileID: Document] = [:]
  /// Per document, the unanswered changes, oldest first, by ticket.
  private(set) var doubtful: [FileID: [(ticket: Int, change: Change)]] = [:]
  private var tickets = 0

  mutating func submit(_ id: FileID, _ change: Change) -> Int {
    tickets += 1
    doubtful[id, default: []].append((tickets, change))
    return tickets
  }

  /// The change was acknowledged.
  mutating func acknowledge(_ id: FileID, _ ticket: Int) {
    guard let change = remove(id, ticket) else { return }
    acknowledged[id] = change.applied(to: acknowledged[id])
  }

  /// The change was refused: it did not happen.
  mutating func refuse(_ id: FileID, _ ticket: Int) { _ = remove(id, ticket) }

  private mutating func remove(_ id: FileID, _ ticket: Int) -> Change? {
    guard let place = doubtful[id]?.firstIndex(where: { $0.ticket == ticket }) else { return nil }
    defer { if doubtful[id]?.isEmpty == true { doubtful[id] = nil } }
    return doubtful[id]?.remove(at: place).change
  }

  /// The state that later changes of a document probably build upon.
  func expected(_ id: FileID) -> Document? { states(id).last ?? nil }

  private func states(_ id: FileID) -> [Document?] {
    var states: [Document?] = [acknowledged[id]]
    for (_, change) in doubtful[id] ?? [] { states.append(change.applied(to: states[states.count - 1])) }
    return states
  }

  /// Takes what the store shows after a restart; what is wrong with it, nil when it is one of the allowed states.
  mutating func observe(_ id: FileID, _ found: Document?) -> String? {
    let allowed = states(id)
    guard allowed.contains(found) else {
      return "document \(id): found \(Self.text(found)), allowed \(allowed.map(Self.text))"
    }
    acknowledged[id] = found
    doubtful[id] = nil
    return nil
  }

  /// Takes what the store shows while it runs. What was seen once stays: it may not be lost any more.
  mutating func see(_ id: FileID, _ found: Document?) -> String? {
    let allowed = states(id)
    guard let place = allowed.firstIndex(of: found) else {
      return "document \(id) while running: found \(Self.text(found)), allowed \(allowed.map(Self.text))"
    }
    acknowledged[id] = found
    doubtful[id]?.removeFirst(place)
    if doubtful[id]?.isEmpty == true { doubtful[id] = nil }
    return nil
  }

  // MARK: The mode

  /// As acknowledged; nil before the store was ever open.
  private(set) var mode: ApplianceMode?
  /// Unanswered changes of it, oldest first.
  private var doubtfulModes: [ApplianceMode] = []

  mutating func submit(_ mode: ApplianceMode) { doubtfulModes.append(mode) }

  mutating func answer(_ target: ApplianceMode, isAcknowledged: Bool) {
    if isAcknowledged { mode = target }
    if let place = doubtfulModes.firstIndex(of: target) { doubtfulModes.remove(at: place) }
  }

  mutating func observe(_ found: ApplianceMode) -> String? {
    defer {
      mode = found
      doubtfulModes = []
    }
    guard let mode, mode != found, !doubtfulModes.contains(found) else { return nil }
    return "the mode is \(found), allowed \([mode] + doubtfulModes)"
  }

  var ids: [FileID] { Set(acknowledged.keys).union(doubtful.keys).sorted() }

  private static func text(_ document: Document?) -> String {
    guard let document else { return "nothing" }
    return "\(document.bytes.count) bytes, \(document.status), \(document.description ?? "-")"
  }
}
