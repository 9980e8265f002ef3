internal import Core
internal import Disk
internal import Journal
internal import StorageAPI
internal import Synchronization

/// Fills an empty index from every `attr.json`, while the store serves. The journal after the checkpoint is in the
/// index before this begins, and newer always wins.
final class IndexRebuild: Sendable {
  private let tree: DocumentTree
  private let index: Index
  private let isStopped = Atomic(false)
  private let readsBesides: Bool
  /// Attributes read in one go, and how many of them one thread takes at a time.
  private static let batch = 2000
  private static let slice = 100

  /// `readsBesides`: a second thread reads while rows enter the index; without it everything is done on the caller's.
  init(_ shared: Committer.Shared, readsBesides: Bool) {
    tree = shared.tree
    index = shared.index
    self.readsBesides = readsBesides
  }

  func stop() { isStopped.store(true, ordering: .relaxed) }

  /// Reads the whole tree; returns the attributes that could not be read. Publishes progress and the end.
  @discardableResult
  func run(progress: (Int) -> Void = { _ in }) -> [String] {
    var waiting: [String] = []
    var rows: [IndexRow] = []
    var unreadable: [String] = []
    var count = 0
    func turn() throws {
      let found = try read(waiting, entering: rows)
      count += rows.count
      rows = found.compactMap(\.row)
      unreadable += found.filter { $0.row == nil }.map(\.path)
      waiting = []
      index.publish(.rebuilding(files: count))
      progress(count)
    }
    do {
      try walk("files") { path in
        waiting.append(path)
        if waiting.count == Self.batch { try turn() }
      }
      if isStopped.load(ordering: .relaxed) { return unreadable }
      try turn()
      try index.write { (writer) throws(SQLiteError) in
        try writer.merge(rows)
        try writer.complete()
      }
      index.publish(.ready)
    } catch {
      index.publish(.failed(reason: "\(error)"))
    }
    return unreadable
  }

  private typealias Found = (path: String, row: IndexRow?)

  /// What two threads share in one turn.
  private final class Turn: Sendable {
    let paths: [String]
    private let state: Mutex<State>

    private struct State {
      var next = 0
      var found: [Int: [Found]] = [:]
      var failure: (any Error)?
    }

    init(_ paths: [String]) {
      self.paths = paths
      state = Mutex(State())
    }

    func next(_ count: Int) -> Range<Int>? {
      state.withLock { state in
        guard state.failure == nil, state.next < paths.count else { return nil }
        defer { state.next += count }
        return state.next..<min(state.next + count, paths.count)
      }
    }

    func done(_ start: Int, _ found: [Found]) { state.withLock { $0.found[start] = found } }

    func fail(_ error: any Error) { state.withLock { $0.failure = $0.failure ?? error } }

    /// In the order of the paths.
    func result() throws -> [Found] {
      let (found, failure) = state.withLock { ($0.found, $0.failure) }
      if let failure { throw failure }
      return found.sorted { $0.key < $1.key }.flatMap(\.value)
    }
  }

  /// Reads the attributes at `paths` while `rows`, which were read before, enter the index.
  private func read(_ paths: [String], entering rows: [IndexRow]) throws -> [Found] {
    let turn = Turn(paths)
    let enter: @Sendable () -> Void = { [self] in
      do { try index.write { (writer) throws(SQLiteError) in try writer.merge(rows) } } catch { turn.fail(error) }
    }
    let read: @Sendable () -> Void = { [self] in
      while let range = turn.next(Self.slice) {
        do {
          turn.done(range.lowerBound, try paths[range].map { ($0, try row($0)) })
        } catch {
          turn.fail(error)
        }
      }
    }
    if readsBesides {
      let besides = try DedicatedThread("rebuild-reads") { read() }
      enter()
      read()
      besides.join()
    } else {
      enter()
      read()
    }
    return try turn.result()
  }

  private func walk(_ directory: String, _ visit: (String) throws -> Void) throws {
    if isStopped.load(ordering: .relaxed) { return }
    for entry in try tree.disk.list(tree.absolute(directory)).sorted(by: { $0.name < $1.name }) {
      let path = "\(directory)/\(entry.name)"
      switch entry.kind {
      case .directory: try walk(path, visit)
      case .file where path.hasSuffix(".attr.json"): try visit(path)
      case .file, .other: break
      }
    }
  }

  /// Nil when the attributes are damaged or vanished: reconcile restores what can be restored.
  private func row(_ path: String) throws -> IndexRow? {
    guard let bytes = try tree.disk.contents(tree.absolute(path), limit: Attributes.bytesMax),
      let attributes = try? Attributes(bytes),  // an unreadable file is reported, not fatal
      StoredName.attributes(of: attributes.path) == path
    else { return nil }
    // When it expired or was deleted no attribute says; from when the file was written its grace is never too short.
    let written =
      attributes.record.status == .active ? nil : try tree.disk.stat(tree.absolute(path))?.modifiedMicroseconds
    return IndexRow(
      attributes.record, json: attributes.record.json, path: attributes.path, lsn: attributes.lsn,
      changedAt: written.map(Timestamp.init(microseconds:)) ?? attributes.record.uploadedAt)
  }
}
