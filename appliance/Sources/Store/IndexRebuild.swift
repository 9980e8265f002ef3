internal import Core
internal import Disk
internal import Journal
internal import StorageAPI
internal import Synchronization

/// Fills an empty index from every `attr.json`, while the store serves: at the start, or when the one in use broke. What
/// is not in the tree when this begins is in the index already, or waits to enter it, and newer always wins.
final class IndexRebuild: Sendable {
  private let tree: DocumentTree
  private let index: Index
  private let placements: Placements
  private let random: any RandomSource
  private let isStopped = Atomic(false)
  private let readsBesides: Bool
  /// Waits for room; else a full disk ends the rebuild.
  private let isPatient: Bool
  /// Attributes read in one go, which enter the index in one transaction, and how many of them one thread takes at a
  /// time. Ids are random, so a transaction touches a page of their B-tree for nearly every row: the larger it is, the
  /// less often a page is written. A commit waits for one at most.
  private static let batch = 10_000
  private static let slice = 200

  /// Between two tries to replace an index that broke, or to write where there was no room.
  private static let patience: Duration = .seconds(5)

  /// `readsBesides`: a second thread reads while rows enter the index; without it everything is done on the caller's.
  init(_ shared: Committer.Shared, random: any RandomSource, readsBesides: Bool, isPatient: Bool) {
    tree = shared.tree
    index = shared.index
    placements = shared.placements
    self.random = random
    self.readsBesides = readsBesides
    self.isPatient = isPatient
  }

  func stop() {
    isStopped.store(true, ordering: .relaxed)
    index.broken.close()
  }

  /// The rebuild's thread: until `stop`. `isNeeded`: the index is empty.
  func serve(isNeeded: Bool) {
    if isNeeded { run() }
    while index.broken.take(upTo: 1, timeout: Self.patience) != nil { mend() }
  }

  /// Replaces an index that broke, when that is possible now.
  func mend() {
    guard index.isBroken else { return }
    // What is in the tree the rebuild finds there.
    let settled = index.settledLSN
    while placements.placedThrough < settled {
      if isStopped.load(ordering: .relaxed) || placements.failure != nil || placements.stalled != nil { return }
      placements.place(upTo: 64)
    }
    do throws(SQLiteError) {
      try index.renew(generation: random.uint64() >> 1)
    } catch {
      return index.publish(.failed(reason: "\(error); no new one can be made yet"))
    }
    run()
  }

  /// Reads the whole tree; returns the attributes that could not be read. Publishes progress and the end.
  @discardableResult
  func run(progress: (Int) -> Void = { _ in }) -> [String] {
    var waiting: [Place] = []
    var rows: [IndexRow] = []
    var unreadable: [String] = []
    var count = 0
    func turn() throws {
      let found = try read(waiting, entering: rows)
      count += rows.count
      rows = found.compactMap(\.row)
      unreadable += found.filter { $0.row == nil }.map(\.place.path)
      waiting = []
      index.publish(.rebuilding(files: count))
      progress(count)
    }
    do {
      try walk("files") { place in
        waiting.append(place)
        if waiting.count == Self.batch { try turn() }
      }
      if isStopped.load(ordering: .relaxed) { return unreadable }
      try turn()
      try merge(rows)
      try index.write { (writer) throws(SQLiteError) in try writer.complete() }
      index.publish(.ready)
    } catch {
      // One that is broken is replaced; what else stopped this (the tree cannot be read) would do so again at once.
      index.publish(.failed(reason: "\(error)"))
    }
    return unreadable
  }

  /// Waits for room, and tells while it does.
  private func merge(_ rows: [IndexRow]) throws(SQLiteError) {
    while true {
      do throws(SQLiteError) {
        return try index.write { (writer) throws(SQLiteError) in try writer.merge(rows) }
      } catch {
        guard error.isPassing, isPatient, !isStopped.load(ordering: .relaxed) else { throw error }
        // Closed when the store is; a message would be that the index broke, which the next try meets.
        guard index.broken.take(upTo: 1, timeout: Self.patience) != nil else { throw error }
      }
    }
  }

  /// Where attributes lie, below the data directory.
  private struct Place: Sendable {
    let directory: String
    let name: String
    var path: String { "\(directory)/\(name)" }
  }

  private typealias Found = (place: Place, row: IndexRow?)

  /// What two threads share in one turn.
  private final class Turn: Sendable {
    let places: [Place]
    private let state: Mutex<State>

    private struct State {
      var next = 0
      var found: [Int: [Found]] = [:]
      var failure: (any Error)?
    }

    init(_ places: [Place]) {
      self.places = places
      state = Mutex(State())
    }

    func next(_ count: Int) -> Range<Int>? {
      state.withLock { state in
        guard state.failure == nil, state.next < places.count else { return nil }
        defer { state.next += count }
        return state.next..<min(state.next + count, places.count)
      }
    }

    func done(_ start: Int, _ found: [Found]) { state.withLock { $0.found[start] = found } }

    func fail(_ error: any Error) { state.withLock { $0.failure = $0.failure ?? error } }

    /// In the order of the places.
    func result() throws -> [Found] {
      let (found, failure) = state.withLock { ($0.found, $0.failure) }
      if let failure { throw failure }
      return found.sorted { $0.key < $1.key }.flatMap(\.value)
    }
  }

  /// Reads the attributes at `places` while `rows`, which were read before, enter the index.
  private func read(_ places: [Place], entering rows: [IndexRow]) throws -> [Found] {
    let turn = Turn(places)
    let enter: @Sendable () -> Void = { [self] in
      do throws(SQLiteError) { try merge(rows) } catch { turn.fail(error) }
    }
    let read: @Sendable () -> Void = { [self] in
      while let range = turn.next(Self.slice) {
        do {
          turn.done(range.lowerBound, try found(places[range]))
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

  /// Directories and names in the order of their bytes.
  private func walk(_ directory: String, _ visit: (Place) throws -> Void) throws {
    if isStopped.load(ordering: .relaxed) { return }
    var below: [String] = []
    var names: [String] = []
    for entry in try tree.disk.list(tree.absolute(directory)) {
      switch entry.kind {
      case .directory: below.append(entry.name)
      case .file where Self.isAttributes(entry.name): names.append(entry.name)
      case .file, .other: break
      }
    }
    for name in Self.inOrder(names) { try visit(Place(directory: directory, name: name)) }
    for name in Self.inOrder(below) { try walk("\(directory)/\(name)", visit) }
  }

  private static let ending = Array(".attr.json".utf8)

  private static func isAttributes(_ name: String) -> Bool {
    name.utf8.count > ending.count && name.utf8.suffix(ending.count).elementsEqual(ending)
  }

  /// Strings compare by what they mean, which costs names in any script but ASCII dearly.
  private static func inOrder(_ names: [String]) -> [String] {
    names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }

  /// The rows of a slice; no row where the attributes are damaged or vanished: reconcile restores what can be restored.
  private func found(_ places: ArraySlice<Place>) throws -> [Found] {
    var found: [Found] = []
    found.reserveCapacity(places.count)
    var rest = places
    while let first = rest.first {
      let here = rest.prefix { $0.directory == first.directory }
      rest = rest.dropFirst(here.count)
      let files = try tree.disk.contents(
        of: here.map(\.name), in: tree.absolute(first.directory), limit: Attributes.bytesMax)
      for (place, bytes) in zip(here, files) { found.append((place, try bytes.flatMap { try row(place, $0) })) }
    }
    return found
  }

  private func row(_ place: Place, _ bytes: [UInt8]) throws -> IndexRow? {
    guard let (attributes, json) = try? Attributes.withJSON(bytes),  // an unreadable file is reported, not fatal
      StoredName.attributes(of: attributes.path) == place.path
    else { return nil }
    // When it expired or was deleted no attribute says; from when the file was written its grace is never too short.
    let written =
      attributes.record.status == .active ? nil : try tree.disk.stat(tree.absolute(place.path))?.modifiedMicroseconds
    return IndexRow(
      attributes.record, json: json, path: attributes.path, lsn: attributes.lsn,
      changedAt: written.map(Timestamp.init(microseconds:)) ?? attributes.record.uploadedAt)
  }
}
