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
  private static let batch = 500

  init(tree: DocumentTree, index: Index) {
    self.tree = tree
    self.index = index
  }

  func stop() { isStopped.store(true, ordering: .relaxed) }

  /// Reads the whole tree; returns the attributes that could not be read. Publishes progress and the end.
  @discardableResult
  func run(progress: (Int) -> Void = { _ in }) -> [String] {
    var rows: [IndexRow] = []
    var unreadable: [String] = []
    var count = 0
    do {
      try walk("files") { path in
        if let row = try self.row(path) {
          rows.append(row)
        } else {
          unreadable.append(path)
        }
        guard rows.count == Self.batch else { return }
        count += rows.count
        try self.index.write { (writer) throws(SQLiteError) in try writer.merge(rows) }
        self.index.publish(.rebuilding(files: count))
        progress(count)
        rows = []
      }
      if isStopped.load(ordering: .relaxed) { return unreadable }
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
