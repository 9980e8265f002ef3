internal import Core
internal import Disk
internal import HTTP
internal import StorageAPI
internal import Store

// From the files to the index, and what history answers.
extension Reconcile {
  /// Looks at one directory's files unless its turn is over already (`done`, from an earlier run); the directories
  /// below it that still have theirs, and how many files were looked at.
  func checkDirectory(
    _ directory: String, after done: String, _ found: Findings
  ) throws -> (Findings, below: [String], count: Int) {
    var found = found
    var below: [String] = []
    let entries: [DirectoryEntry]
    do throws(DiskError) {
      entries = try store.disk.list(store.absolute(directory))
    } catch {
      if error.isMissing { return (found, [], 0) }
      throw error
    }
    let isDone = directory <= done
    let names = Set(entries.map(\.name))
    for entry in entries {
      let path = "\(directory)/\(entry.name)"
      switch entry.kind {
      case .directory: if path > done || done.hasPrefix(path) { below.append(path) }
      case .file where isDone: break
      case .file where path.hasSuffix(".attr.json"):
        try checkUnindexed(path, hasDocument: names.contains(String(entry.name.dropLast(10))), &found)
      case .file where path.hasSuffix(".attr.json.tmp"): break
      case .file where !names.contains(entry.name + ".attr.json"): try checkOrphan(path, &found)
      case .file, .other: break
      }
    }
    return (found, below, isDone ? 0 : entries.count)
  }

  private func checkUnindexed(_ path: String, hasDocument: Bool, _ found: inout Findings) throws {
    guard try isOld(path) else { return }
    let document = String(path.dropLast(10))
    let attributes = store.readAttributes(of: document)
    guard let id = attributes?.record.fileID ?? Self.id(in: document) else {
      if hasDocument { found.open.append(.unknown(path: document, id: nil)) }
      return
    }
    // Damaged ones of a document that the index knows were dealt with on the way through it.
    guard try store.lastChange(of: id) == nil else { return }
    guard hasDocument else {
      found.report.add(
        .init(
          fileID: id, path: path, type: .orphanedAttributes,
          description: "attributes without a document, unknown to the index; left in place"))
      return
    }
    if let attributes, attributes.path == document {
      found.repairs.append((attributes, "index row of \(document) was lost; taken from its attributes"))
    } else {
      found.open.append(.unknown(path: document, id: id))
    }
  }

  private func checkOrphan(_ path: String, _ found: inout Findings) throws {
    guard try isOld(path) else { return }
    let id = Self.id(in: path)
    if let id, let document = try store.document(id), document.path == path { return }
    found.open.append(.unknown(path: path, id: id))
  }

  private func isOld(_ path: String) throws -> Bool {
    guard let status = try store.disk.stat(store.absolute(path)) else { return false }
    return time.now().microseconds - status.modifiedMicroseconds >= grace.microseconds
  }

  // MARK: What history answers

  /// One pass over history for everything that is open.
  func resolve(_ found: Findings) throws -> Findings {
    var found = found
    var unreadable: [String] = []
    let known = try store.journaled(Set(found.open.compactMap(\.id))) { unreadable.append($0) }
    found.notes += unreadable.map { "history could not be read whole while repairing: \($0)" }
    for question in found.open {
      switch question {
      case .lostAttributes(let document): restore(document, from: known[document.record.fileID], &found)
      case .unknown(let path, let id):
        try settleUnknown(path, id, from: id.flatMap { known[$0] }, isWhole: unreadable.isEmpty, &found)
      }
    }
    found.open = []
    return found
  }

  /// Journal, archive, then the index's own row; never an older state than the row's.
  private func restore(_ document: IndexedDocument, from known: JournaledDocument?, _ found: inout Findings) {
    let note = "attributes of \(document.path) were missing or damaged; restored from"
    if case .attributes(let attributes) = known, attributes.lsn >= document.lsn, attributes.path == document.path {
      found.repairs.append((attributes, "\(note) the journal"))
    } else {
      found.repairs.append((store.attributes(of: document), "\(note) the index"))
    }
  }

  private func settleUnknown(
    _ path: String, _ id: FileID?, from known: JournaledDocument?, isWhole: Bool, _ found: inout Findings
  ) throws {
    if case .attributes(let attributes) = known, attributes.path == path {
      found.repairs.append((attributes, "attributes and index row of \(path) were lost; restored from the journal"))
      return
    }
    // A damaged piece of history might have known it: nothing is set aside on half an answer.
    guard isWhole else {
      found.report.add(
        .init(
          fileID: id, path: path, type: .orphanedFile,
          description: "unknown, but a part of the journal's history cannot be read; left in place"))
      return
    }
    guard try store.disk.stat(store.absolute(path)) != nil else { return }
    let why =
      switch known {
      case .purged: "it was removed for good, but is still there"
      case .attributes, nil: "neither attributes, index nor journal know it"
      }
    let target = try store.quarantine(path)
    found.report.add(
      .init(fileID: id, path: path, type: .orphanedFile, description: "\(why); moved to \(target)"))
    found.notes.append("orphaned file \(path) moved to \(target): \(why)")
  }
}
