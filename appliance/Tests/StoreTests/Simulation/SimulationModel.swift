import Core
import StorageAPI

/// What must be visible: a plain dictionary. A change that was submitted and never answered may or may not have
/// happened, but never without those before it.
struct SimulationModel {
  struct Document: Equatable {
    var bytes: [UInt8]
    var description: String?
    var status: FileStatus
  }

  enum Change: Equatable {
    case put([UInt8])
    case describe(String)
    case delete
    case purge

    func applied(to document: Document?) -> Document? {
      switch self {
      case .put(let bytes): return Document(bytes: bytes, description: nil, status: .active)
      case .describe(let text):
        guard var document, document.status == .active else { return document }
        document.description = text
        return document
      case .delete:
        guard var document else { return nil }
        document.status = .deleted
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

  var ids: [FileID] { Set(acknowledged.keys).union(doubtful.keys).sorted() }

  private static func text(_ document: Document?) -> String {
    guard let document else { return "nothing" }
    return "\(document.bytes.count) bytes, \(document.status), \(document.description ?? "-")"
  }
}
