internal import Core
internal import Disk
internal import HTTP
internal import Reactor
internal import StorageAPI
internal import Store
internal import Synchronization

/// Compares index, attributes and documents, and repairs what can be repaired. Every repair is journaled. Never
/// deletes: a document that nobody knows is set aside.
struct Reconcile: Sendable {
  private let store: Store
  private let grace: Duration
  private let time: any TimeSource
  private static let batch = 200

  init(_ store: Store, grace: Duration, time: any TimeSource) {
    self.store = store
    self.grace = grace
    self.time = time
  }

  /// What a step found; repairs need the committer, so they are made outside the thread that looks.
  struct Findings: Sendable {
    var report: MaintenanceReport
    var repairs: [Attributes] = []
    var notes: [String] = []
  }

  func run(on pool: BlockingPool) async throws -> MaintenanceReport {
    var report = MaintenanceReport(startedAt: time.now())
    var sequence: Int64 = 0
    while true {
      let (after, current) = (sequence, report)
      let (found, last) = try await pool.run { try self.checkDocuments(after: after, current) }
      report = try await settle(found)
      guard let last else { break }
      sequence = last
      try Task.checkCancellation()
    }
    var directories = ["files"]
    while let directory = directories.popLast() {
      let current = report
      let (found, below) = try await pool.run { try self.checkDirectory(directory, current) }
      report = try await settle(found)
      directories += below
      try Task.checkCancellation()
    }
    report.completedAt = time.now()
    return report
  }

  /// Journals what a step wants repaired.
  private func settle(_ found: Findings) async throws -> MaintenanceReport {
    for attributes in found.repairs {
      do throws(APIError) {
        _ = try await store.repair(attributes, by: Actor("reconcile"))
      } catch {
        // When the store knows better by now there is nothing to repair.
        if error.code != .notFound { throw error }
      }
    }
    for note in found.notes { try await store.note(note, by: Actor("reconcile")) }
    return found.report
  }

  // MARK: From the index to the files

  private func checkDocuments(after sequence: Int64, _ report: MaintenanceReport) throws -> (Findings, Int64?) {
    var found = Findings(report: report)
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
    guard let again = try store.document(id), again.lsn == document.lsn else { return }
    let type: MaintenanceReport.IssueType = status == nil ? .missingFile : .sizeMismatch
    try store.mark(id, type.rawValue)
    let what = status.map { "has \($0.size) bytes, \(document.record.size) are recorded" } ?? "is missing"
    found.report.add(
      .init(
        fileID: id, path: document.path, type: type,
        description: "the document \(what); it is not served: restore it from a backup"))
    found.notes.append("\(type.rawValue): \(document.path) \(what)")
  }

  private func checkAttributes(_ document: IndexedDocument, _ found: inout Findings) throws {
    let path = Store.attributesPath(of: document.path)
    let bytes = try? store.disk.contents(store.absolute(path), limit: 65_536)  // unreadable counts as damaged
    let attributes = bytes.flatMap { $0 }.flatMap { try? Attributes($0) }  // unreadable counts as lost
    if let attributes, attributes.record == document.record, attributes.lsn == document.lsn { return }
    guard let again = try store.document(document.record.fileID), again.lsn == document.lsn else { return }
    if let attributes, attributes.lsn > document.lsn, attributes.record.fileID == document.record.fileID {
      // The source of truth is newer than the index.
      found.repairs.append(attributes)
      found.notes.append("index row of \(document.path) was older than its attributes; taken from them")
      return
    }
    try store.rewriteAttributes(of: document)
    found.notes.append("attributes of \(document.path) were missing or damaged; restored from the index")
  }

  // MARK: From the files to the index

  private func checkDirectory(_ directory: String, _ report: MaintenanceReport) throws -> (Findings, [String]) {
    var found = Findings(report: report)
    var below: [String] = []
    let entries: [DirectoryEntry]
    do throws(DiskError) {
      entries = try store.disk.list(store.absolute(directory))
    } catch {
      if error.isMissing { return (found, []) }
      throw error
    }
    let names = Set(entries.map(\.name))
    for entry in entries {
      let path = "\(directory)/\(entry.name)"
      switch entry.kind {
      case .directory: below.append(path)
      case .file where path.hasSuffix(".attr.json"):
        try checkUnindexed(path, hasDocument: names.contains(String(entry.name.dropLast(10))), &found)
      case .file where !names.contains(entry.name + ".attr.json"): try checkOrphan(path, &found)
      case .file, .other: break
      }
    }
    return (found, below)
  }

  private func checkUnindexed(_ path: String, hasDocument: Bool, _ found: inout Findings) throws {
    guard try isOld(path), let bytes = try store.disk.contents(store.absolute(path), limit: 65_536),
      let attributes = try? Attributes(bytes)  // damaged ones of known documents were restored above
    else { return }
    guard try store.document(attributes.record.fileID) == nil else { return }
    guard hasDocument else {
      found.report.add(
        .init(
          fileID: attributes.record.fileID, path: path, type: .orphanedAttributes,
          description: "attributes without a document, unknown to the index; left in place"))
      return
    }
    found.repairs.append(attributes)
    found.notes.append("index row of \(attributes.path) was lost; taken from its attributes")
  }

  private func checkOrphan(_ path: String, _ found: inout Findings) throws {
    guard try isOld(path) else { return }
    if let id = Self.id(in: path), let document = try store.document(id), document.path == path { return }
    let target = try store.quarantine(path)
    found.report.add(
      .init(
        fileID: Self.id(in: path), path: path, type: .orphanedFile,
        description: "a file that neither attributes nor index know; moved to \(target)"))
    found.notes.append("orphaned file \(path) moved to \(target)")
  }

  private func isOld(_ path: String) throws -> Bool {
    guard let status = try store.disk.stat(store.absolute(path)) else { return false }
    return time.now().microseconds - status.modifiedMicroseconds >= grace.microseconds
  }

  /// The id in a stored name: the last 36 characters before its extension.
  static func id(in path: String) -> FileID? {
    guard let name = path.split(separator: "/").last else { return nil }
    guard let text = name.split(separator: "_").last?.prefix(36) else { return nil }
    return FileID(String(text))
  }
}
