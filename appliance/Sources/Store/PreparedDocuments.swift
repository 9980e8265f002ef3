public import Core
public import HTTP
internal import StorageAPI
internal import Synchronization

/// What somebody made of a document to answer with.
public protocol DocumentAnswer: AnyObject, Sendable {}

/// What was made of the documents that are read most: opened files, headers. Reading a popular small document would
/// otherwise cost an index look-up, a decoded record and an opened file each time. A change to a document takes its
/// entry out before the change is acknowledged, so a reader never gets an older state than one that was answered.
final class PreparedDocuments: Sendable {
  /// Open files are held, so this bounds descriptors as well.
  static let countMax = 256

  private struct State {
    var entries: [FileID: any DocumentAnswer] = [:]
    /// In the order they came; the oldest goes first.
    var order: [FileID] = []
    /// Rises with every change: what was read before a change must not be kept after it.
    var generation: UInt64 = 0
  }

  private let state = Mutex(State())

  func value(_ id: FileID) -> (value: (any DocumentAnswer)?, generation: UInt64) {
    state.withLock { ($0.entries[id], $0.generation) }
  }

  /// Keeps `value`, unless a change was made since `generation` was read.
  func keep(_ value: any DocumentAnswer, for id: FileID, readAt generation: UInt64) {
    state.withLock { state in
      guard state.generation == generation else { return }
      if state.entries.updateValue(value, forKey: id) == nil { state.order.append(id) }
      if state.order.count > Self.countMax { state.entries[state.order.removeFirst()] = nil }
    }
  }

  func forget(_ ids: some Sequence<FileID>) {
    state.withLock { state in
      state.generation &+= 1
      guard !state.entries.isEmpty else { return }
      for id in ids where state.entries.removeValue(forKey: id) != nil { state.order.removeAll { $0 == id } }
    }
  }
}

extension Store {
  /// What `prepare` made of an active document, kept while the document stays as it is. Errors as `open`.
  public func prepared(
    _ id: FileID, _ prepare: (StoredDocument) throws(APIError) -> any DocumentAnswer
  ) throws(APIError) -> any DocumentAnswer {
    guard mode.allows(.download) else { throw .notAllowed(.download, in: mode) }
    let (kept, generation) = shared.prepared.value(id)
    if let kept, problems.withLock({ $0[id] }) == nil { return kept }
    let document = try open(id)
    let value = try prepare(document)
    // Bytes in memory only wait to be put in place: they are not to be held longer than that.
    if case .file = document.body { shared.prepared.keep(value, for: id, readAt: generation) }
    return value
  }
}
