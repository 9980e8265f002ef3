internal import Core
internal import Disk
internal import Journal
internal import Synchronization

/// Puts acknowledged documents and attributes in place, behind their acknowledgement but never by much, in LSN order.
/// Until a document is in place it is read from here. Nothing is lost with this memory: the journal has it all, and the
/// checkpoint never passes what is not in place.
final class Placements: Sendable {
  struct Work: Sendable {
    let lsn: UInt64
    let id: FileID
    let path: String
    let kind: Kind
    /// Of an earlier life, which may have done it in part: see `DocumentTree+Redo`.
    var isRedone = false

    enum Kind: Sendable {
      case document([UInt8], attributes: [UInt8])
      /// A large document that could not be moved at once, the disk being full.
      case staged(String, attributes: [UInt8])
      case attributes([UInt8])
      case removal
    }

    var bytes: Int {
      switch kind {
      case .document(let body, let attributes): body.count + attributes.count + 512
      case .attributes(let attributes), .staged(_, let attributes): attributes.count + 512
      case .removal: 512
      }
    }
  }

  private struct State {
    var queue: [(work: Work, at: Duration)] = []
    var head = 0
    var bytes = 0
    /// Bodies not yet in place.
    var bodies: [FileID: (lsn: UInt64, bytes: [UInt8])] = [:]
    /// Large documents still in staging.
    var staged: [FileID: String] = [:]
    /// Everything committed up to here has been queued, or had nothing to place.
    var queuedThrough: UInt64
    var failure: DiskError?
    var stalled: DiskError?
  }

  private let tree: DocumentTree
  private let state: Mutex<State>
  /// Held while placing, so that helpers keep the order.
  private let turn = Mutex<Void>(())
  private let time: any TimeSource
  let bytesMax: Int
  /// Told when there is work; closed at the end.
  let wake = BoundedQueue<Void>(limit: 1)
  private static let ageMax: Duration = .seconds(2)

  init(tree: DocumentTree, bytesMax: Int, through lsn: UInt64, time: any TimeSource) {
    self.tree = tree
    self.time = time
    self.bytesMax = bytesMax
    state = Mutex(State(queuedThrough: lsn))
  }

  /// Queues the work of a durable batch, before its index rows become visible.
  func add(_ works: [Work], through lsn: UInt64) {
    let now = time.uptime()
    state.withLock { state in
      for work in works {
        state.queue.append((work, now))
        state.bytes += work.bytes
        switch work.kind {
        case .document(let body, _): state.bodies[work.id] = (work.lsn, body)
        case .removal: state.bodies[work.id] = nil
        case .staged(let name, _): state.staged[work.id] = name
        case .attributes: break
        }
      }
      state.queuedThrough = lsn
    }
    do throws(BoundedQueue<Void>.Refusal) { try wake.put(()) } catch { /* awake already, or closing: place() follows */
    }
  }

  /// The placer thread: until `wake` is closed.
  func run() {
    while wake.take(upTo: 1, timeout: .seconds(1)) != nil {
      while place(upTo: 64) > 0, failure == nil, stalled == nil {}
    }
  }

  /// A document's bytes when they are not in place yet.
  func body(_ id: FileID) -> [UInt8]? { state.withLock { $0.bodies[id]?.bytes } }

  /// The name in staging of a large document that is not in place yet.
  func stagedName(_ id: FileID) -> String? { state.withLock { $0.staged[id] } }

  var bytes: Int { state.withLock { $0.bytes } }

  /// Too much waits, or something has waited for too long: the committer helps before it goes on.
  var isOverfull: Bool {
    let now = time.uptime()
    return state.withLock { state in
      guard state.stalled == nil, state.failure == nil, state.head < state.queue.count else { return false }
      return state.bytes > bytesMax || now - state.queue[state.head].at > Self.ageMax
    }
  }

  /// A failed write or rename, for good.
  var failure: DiskError? { state.withLock { $0.failure } }
  /// The disk is full: placing goes on when there is room.
  var stalled: DiskError? { state.withLock { $0.stalled } }

  /// Everything up to here is in place (not necessarily durable).
  var placedThrough: UInt64 {
    state.withLock { $0.head < $0.queue.count ? $0.queue[$0.head].work.lsn - 1 : $0.queuedThrough }
  }

  /// Places up to `count` pieces; how many are left.
  @discardableResult
  func place(upTo count: Int) -> Int {
    turn.withLock { _ in
      for _ in 0..<count {
        let next = state.withLock { state in
          state.failure == nil && state.head < state.queue.count ? state.queue[state.head].work : nil
        }
        guard let next else { break }
        do throws(DiskError) {
          try perform(next)
          state.withLock { Self.finished(next, &$0) }
        } catch {
          state.withLock { state in
            if error.isFull { state.stalled = error } else { state.failure = error }
          }
          if error.isFull { makeRoom() }
          break
        }
      }
    }
    return state.withLock { $0.queue.count - $0.head }
  }

  /// The disk is full and the oldest piece waits for room: removals further back may give it. Those of documents that
  /// nothing else is waiting for can go first.
  private func makeRoom() {
    let removals = state.withLock { state -> [Work] in
      var waiting: Set<FileID> = []
      var found: [Work] = []
      for (work, _) in state.queue[state.head...] {
        if case .removal = work.kind, !waiting.contains(work.id) { found.append(work) }
        waiting.insert(work.id)
      }
      return found
    }
    for work in removals {
      // It stays in the queue: removing what is gone is harmless.
      do throws(DiskError) { try perform(work) } catch { return }
    }
  }

  private func perform(_ work: Work) throws(DiskError) {
    if work.isRedone { return try performAgain(work) }
    switch work.kind {
    case .document(let body, let attributes): try tree.place(body, attributes: attributes, at: work.path)
    case .staged(let name, let attributes): try tree.finishMove(staged: name, attributes: attributes, at: work.path)
    case .attributes(let attributes): try tree.replaceAttributes(attributes, at: work.path)
    case .removal:
      try tree.remove(work.path)
      tree.removeSums(of: work.id)
    }
  }

  private func performAgain(_ work: Work) throws(DiskError) {
    switch work.kind {
    case .document(let body, let attributes):
      try tree.rewrite(body, at: work.path)
      try tree.restoreAttributes(attributes, at: work.path, wereReplaced: false)
    case .staged(let name, let attributes):
      guard try tree.moveAgain(staged: name, to: work.path) else {
        throw DiskError.missing("put in place what was staged as \(name)", tree.absolute(work.path))
      }
      try tree.restoreAttributes(attributes, at: work.path, wereReplaced: false)
    case .attributes(let attributes):
      try tree.restoreAttributes(attributes, at: work.path, wereReplaced: true)
    case .removal:
      try tree.removeAgain(work.path)
      tree.removeSums(of: work.id)
    }
  }

  private static func finished(_ work: Work, _ state: inout State) {
    state.stalled = nil
    state.bytes -= work.bytes
    if state.bodies[work.id]?.lsn == work.lsn { state.bodies[work.id] = nil }
    if case .staged = work.kind { state.staged[work.id] = nil }
    state.head += 1
    if state.head == state.queue.count || state.head > 4096 {
      state.queue.removeFirst(state.head)
      state.head = 0
    }
  }
}
