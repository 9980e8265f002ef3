internal import Core
internal import Crypto
internal import Disk
internal import HTTP
internal import Synchronization

/// What the store holds in memory of one upload in pieces. Whoever has the turn works on it; anybody may look.
final class UploadSession: Sendable {
  enum Phase: Sendable, Equatable {
    case open
    /// It has become a document.
    case finished
    /// Removed or expired.
    case gone
  }

  struct State: ~Copyable {
    var phase: Phase
    /// Bytes taken, from the start: where the next piece has to begin.
    var offset: Int
    /// Of these, what a restart finds again.
    var durable: Int
    /// Where bytes of a piece end that is still to be verified; `offset` otherwise.
    var end: Int
    var touchedAt: Timestamp
    /// Only during somebody's turn: uploads are many, descriptors are few.
    var writer: WriteLane?
    var persistedAt: Duration = .zero
    /// Of the first `hashed` bytes; behind `offset` after a restart, until the end comes.
    var digest = DocumentDigest()
    var hashed = 0
    /// The same with the piece that is still to be verified.
    var tentative: DocumentDigest?
  }

  let ledger: UploadLedger
  let turns = UploadTurns()
  let state: Mutex<State>
  /// The part is not there, though bytes had come: if the document is, the upload was finished.
  let isPartMissing: Bool

  init(_ ledger: UploadLedger, isPartMissing: Bool = false) {
    self.ledger = ledger
    self.isPartMissing = isPartMissing
    state = Mutex(
      State(
        phase: ledger.finished == true ? .finished : .open, offset: ledger.offset, durable: ledger.offset,
        end: ledger.offset, touchedAt: ledger.touchedAt))
  }

  var phase: Phase { state.withLock { $0.phase } }
  var offset: Int { state.withLock { $0.offset } }
  var touchedAt: Timestamp { state.withLock { $0.touchedAt } }
  /// What is promised to an upload that has not ended.
  var reserved: Int { ledger.length + Capacity.overheadBytes }
}

/// All uploads in pieces, and how many somebody may have.
final class UploadSessions: Sendable {
  private struct State {
    var sessions: [FileID: UploadSession] = [:]
    var preempted = 0
    var expired = 0
  }

  private let state: Mutex<State>

  init(_ sessions: [UploadSession]) {
    state = Mutex(State(sessions: Dictionary(sessions.map { ($0.ledger.uploadID, $0) }) { first, _ in first }))
  }

  func find(_ id: FileID) -> UploadSession? { state.withLock { $0.sessions[id] } }

  /// An upload that is, or becomes, this document.
  func find(file id: FileID, owner: String) -> UploadSession? {
    state.withLock { state in
      state.sessions.values.first { $0.ledger.fileID == id && $0.ledger.owner == owner && $0.phase != .gone }
    }
  }

  var all: [UploadSession] { state.withLock { Array($0.sessions.values) } }

  /// Takes one more in, or says which bound it would break. `isAlone`: no other may become the same document. The
  /// finished upload that had to go for it, if there are too many.
  func add(
    _ session: UploadSession, isAlone: Bool = false, countMax: Int, ownerCountMax: Int, ownerBytesMax: Int
  ) throws(APIError) -> UploadSession? {
    try state.withLock { (state) throws(APIError) in
      var own = (count: 0, bytes: session.reserved)
      var open = 0
      var oldest: UploadSession?
      for other in state.sessions.values {
        if isAlone, other.ledger.fileID == session.ledger.fileID, other.phase != .gone {
          throw APIError(
            .conflict, "another request with this Idempotency-Key has begun the upload just now; ask again")
        }
        guard other.phase == .open else {
          if oldest.map({ other.touchedAt < $0.touchedAt }) ?? true { oldest = other }
          continue
        }
        open += 1
        guard other.ledger.owner == session.ledger.owner else { continue }
        own = (own.count + 1, own.bytes + other.reserved)
      }
      guard open < countMax else { throw Self.tooMany("this storage has \(open) unfinished uploads") }
      guard own.count < ownerCountMax else { throw Self.tooMany("you have \(own.count) unfinished uploads here") }
      guard own.bytes <= ownerBytesMax else {
        throw Self.tooMany("your unfinished uploads here would take \(own.bytes) of \(ownerBytesMax) bytes")
      }
      var leaving: UploadSession?
      if state.sessions.count >= 2 * countMax, let oldest {
        state.sessions[oldest.ledger.uploadID] = nil
        leaving = oldest
      }
      state.sessions[session.ledger.uploadID] = session
      return leaving
    }
  }

  func remove(_ id: FileID) { state.withLock { $0.sessions[id] = nil } }

  func countPreempted() { state.withLock { $0.preempted += 1 } }

  func countExpired() { state.withLock { $0.expired += 1 } }

  var summary: ResumableSummary {
    let (sessions, preempted, expired) = state.withLock { (Array($0.sessions.values), $0.preempted, $0.expired) }
    let open = sessions.filter { $0.phase == .open }
    return ResumableSummary(
      unfinished: open.count, reservedBytes: open.reduce(0) { $0 + $1.reserved },
      receivedBytes: open.reduce(0) { $0 + $1.offset }, preempted: preempted, expired: expired)
  }

  private static func tooMany(_ what: String) -> APIError {
    APIError(
      .rateLimited, "\(what), which is the limit; finish or delete one of them first", headers: ["Retry-After": "60"])
  }
}

/// Figures of uploads in pieces.
public struct ResumableSummary: Sendable, Hashable {
  public let unfinished: Int
  /// Promised to unfinished uploads.
  public let reservedBytes: Int
  /// Of these, what has come.
  public let receivedBytes: Int
  /// Requests that had to end for a newer one since the start.
  public let preempted: Int
  /// Uploads removed because nobody went on with them, since the start.
  public let expired: Int
}
