internal import Core
internal import Disk
internal import HTTP
internal import Reactor
internal import StorageAPI
internal import Store

/// Compares index, attributes, documents and journal, and repairs what can be repaired. Every repair is journaled.
/// Never deletes: a document that nobody knows is set aside.
///
/// Two walks: over the index (documents with a wrong size, lost attributes), then over the tree (documents without a
/// row, files that nobody knows). What needs history is collected and looked up in one pass over the journal and its
/// archive, so that a thousand lost files cost as much reading as one.
struct Reconcile: Sendable {
  let store: Store
  let places: UpkeepPlaces
  let grace: Duration
  let time: any TimeSource
  private static let batch = 200
  /// Looked up in history at once; bounds memory.
  static let openMax = 4000
  private static let repairsAtOnce = 64

  init(_ store: Store, places: UpkeepPlaces, grace: Duration, time: any TimeSource) {
    self.store = store
    self.places = places
    self.grace = grace
    self.time = time
  }

  /// What a step found. Repairs need the committer, so they are made outside the thread that looks.
  struct Findings: Sendable {
    var report: MaintenanceReport
    /// Attributes to journal and write, each with the line that says why.
    var repairs: [(attributes: Attributes, note: String)] = []
    var notes: [String] = []
    /// What history must be asked about.
    var open: [Question] = []
  }

  /// Something that only the journal's history can tell.
  enum Question: Sendable {
    /// The index knows the document, its attributes are missing or damaged.
    case lostAttributes(IndexedDocument)
    /// A document without a row and without attributes that can be read.
    case unknown(path: String, id: FileID?)

    var id: FileID? {
      switch self {
      case .lostAttributes(let document): document.record.fileID
      case .unknown(_, let id): id
      }
    }
  }

  func run(on pool: BlockingPool, _ pace: Pace) async throws -> MaintenanceReport {
    var pace = pace
    var found = Findings(report: MaintenanceReport(startedAt: time.now()))
    var place = places.content.reconcile ?? UpkeepPlaces.Place(began: found.report.startedAt)
    do {
      if place.directory == nil { try await walkIndex(&place, &found, &pace, pool) }
      try await walkTree(&place, &found, &pace, pool)
      found = try await answer(found, pool)
    } catch {
      places.update(saving: true) { _ in }
      throw error
    }
    found.report.completedAt = time.now()
    let report = found.report
    places.update(saving: true) { content in
      content.reconcile = nil
      content.reconcileEnded = report.completedAt
    }
    return report
  }

  private func walkIndex(
    _ place: inout UpkeepPlaces.Place, _ found: inout Findings, _ pace: inout Pace, _ pool: BlockingPool
  ) async throws {
    while true {
      let (after, current) = (place.sequence, found)
      let (next, last) = try await pool.run { try self.checkDocuments(after: after, current) }
      found = try await settle(next)
      guard let last else { break }
      if found.open.count >= Self.openMax { found = try await answer(found, pool) }
      place.sequence = last
      // What is still open would be forgotten by a restart.
      if found.open.isEmpty { remember(place) }
      try await pace.spend(items: Self.batch)
    }
    found = try await answer(found, pool)
    place.directory = ""
    remember(place)
  }

  private func walkTree(
    _ place: inout UpkeepPlaces.Place, _ found: inout Findings, _ pace: inout Pace, _ pool: BlockingPool
  ) async throws {
    let done = place.directory ?? ""
    var directories = ["files"]
    while let directory = directories.popLast() {
      let current = found
      let (next, below, count) = try await pool.run { try self.checkDirectory(directory, after: done, current) }
      found = try await settle(next)
      if found.open.count >= Self.openMax { found = try await answer(found, pool) }
      // Taken from the end, so the order is that of their names.
      directories += below.sorted(by: >)
      place.directory = directory
      if found.open.isEmpty { remember(place) }
      try await pace.spend(items: count + 1)
    }
  }

  private func remember(_ place: UpkeepPlaces.Place) { places.update { $0.reconcile = place } }

  /// Journals what a step wants repaired.
  private func settle(_ found: Findings) async throws -> Findings {
    var found = found
    var rest = found.repairs[...]
    while !rest.isEmpty {
      // Those made at once share a sync.
      let some = rest.prefix(Self.repairsAtOnce)
      rest = rest.dropFirst(some.count)
      try await withThrowingTaskGroup(of: Void.self) { group in
        for (attributes, note) in some { group.addTask { try await self.repair(attributes, note) } }
        try await group.waitForAll()
      }
    }
    for note in found.notes { try await store.note(note, by: Actor("reconcile")) }
    found.repairs = []
    found.notes = []
    return found
  }

  private func repair(_ attributes: Attributes, _ note: String) async throws {
    do throws(APIError) {
      _ = try await store.repair(attributes, by: Actor("reconcile"))
    } catch {
      // When the store knows better by now there is nothing to repair.
      if error.code == .notFound { return }
      throw error
    }
    try await store.note(note, by: Actor("reconcile"))
  }

  /// Asks history what is open, in one pass, and acts on it.
  private func answer(_ found: Findings, _ pool: BlockingPool) async throws -> Findings {
    guard !found.open.isEmpty else { return found }
    return try await settle(try await pool.run { try self.resolve(found) })
  }

  // MARK: From the index to the files

  private func checkDocuments(after sequence: Int64, _ found: Findings) throws -> (Findings, Int64?) {
    var found = found
    let documents = try store.documents(after: sequence, limit: Self.batch)
    for document in documents where document.isPlaced {
      found.report.filesChecked += 1
      try checkBody(document, &found)
      try checkAttributes(document, &found)
    }
    return (found, documents.last?.sequence)
  }

  private func checkBody(_ document: IndexedDocument, _ found: inout Findings) throws {
    let id = document.record.fileID
    let status = try store.disk.stat(store.absolute(document.path))
    if let status, status.size == document.record.size {
      if store.damaged[id].map({ $0 != MaintenanceReport.IssueType.checksumMismatch.rawValue }) == true {
        try store.mark(id, nil)
      }
      return
    }
    // Removed or changed while this looked at it?
    guard try store.lastChange(of: id) == document.lsn else { return }
    let type: MaintenanceReport.IssueType = status == nil ? .missingFile : .sizeMismatch
    let isNews = store.damaged[id] != type.rawValue
    try store.mark(id, type.rawValue)
    let what = status.map { "has \($0.size) bytes, \(document.record.size) are recorded" } ?? "is missing"
    found.report.add(
      .init(
        fileID: id, path: document.path, type: type,
        description: "the document \(what); it is not served: restore it from a backup"))
    if isNews { found.notes.append("\(type.rawValue): \(document.path) \(what)") }
  }

  private func checkAttributes(_ document: IndexedDocument, _ found: inout Findings) throws {
    let attributes = store.readAttributes(of: document.path)
    if let attributes, document.isRowReadable, attributes.record == document.record, attributes.lsn == document.lsn {
      return
    }
    guard try store.lastChange(of: document.record.fileID) == document.lsn else { return }
    if let attributes, attributes.lsn >= document.lsn, attributes.record.fileID == document.record.fileID {
      // The source of truth wins over a row that is older, or of the same change and yet another.
      found.repairs.append(
        (attributes, "index row of \(document.path) was not what its attributes say; taken from them"))
    } else {
      found.open.append(.lostAttributes(document))
    }
  }

  /// The id in a stored name: the last 36 characters before its extension.
  static func id(in path: String) -> FileID? {
    guard let name = path.split(separator: "/").last else { return nil }
    guard let text = name.split(separator: "_").last?.prefix(36) else { return nil }
    return FileID(String(text))
  }
}
