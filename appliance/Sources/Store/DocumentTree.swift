internal import Core
internal import Disk
internal import Synchronization

/// The plain files: `files/…`, `staging/…`, `quarantine/…` below the data directory.
final class DocumentTree: Sendable {
  let disk: any Disk
  let root: String
  /// Opened before anything is written: a sync of the file system reports every write-back error since.
  private let fileSystem: any DiskFile
  /// Directories known to exist; a name costs one system call once.
  private let known = Mutex<Set<String>>([])

  /// `confirming`: nothing rests on the directories yet, and they may not be durable though they are there.
  init(disk: any Disk, root: String, confirming: Bool) throws(DiskError) {
    self.disk = disk
    self.root = root
    for name in ["files", "staging", "quarantine", "state"] {
      try disk.makeDirectories("\(root)/\(name)", confirming: confirming)
    }
    fileSystem = try disk.open(root, .directory)
  }

  var staging: String { "\(root)/staging" }

  func absolute(_ path: String) -> String { "\(root)/\(path)" }

  /// Makes everything placed so far durable.
  func sync(_ site: SyncSite) throws(DiskError) {
    try fileSystem.syncFileSystem(site)
    try disk.reached(.fileSystemSynced)
  }

  /// Writes a new document and its attributes. Neither needs a temporary name: the journal holds both until a
  /// checkpoint has made them durable, and recovery rewrites them.
  func place(_ body: [UInt8], attributes: [UInt8], at path: String) throws(DiskError) {
    try write(body, at: path)
    try disk.reached(.documentPlaced)
    try write(attributes, at: StoredName.attributes(of: path))
    try disk.reached(.attributesPlaced)
  }

  /// Moves a finished upload into place and writes its attributes.
  func place(staged name: String, attributes: [UInt8], at path: String) throws(DiskError) {
    try makeParent(of: path)
    try disk.rename("\(staging)/\(name)", to: absolute(path))
    try disk.reached(.documentPlaced)
    try write(attributes, at: StoredName.attributes(of: path))
    try disk.reached(.attributesPlaced)
  }

  /// The rest of a move that met a full disk, wherever it stopped.
  func finishMove(staged name: String, attributes: [UInt8], at path: String) throws(DiskError) {
    if try disk.stat("\(staging)/\(name)") != nil {
      try place(staged: name, attributes: attributes, at: path)
    } else {
      try write(attributes, at: StoredName.attributes(of: path))
      try disk.reached(.attributesPlaced)
    }
  }

  /// Replaces a document's attributes: a reader finds the old or the new file.
  func replaceAttributes(_ attributes: [UInt8], at path: String) throws(DiskError) {
    let target = StoredName.attributes(of: path)
    try write(attributes, at: target + ".tmp")
    try disk.reached(.attributesWritten)
    try disk.rename(absolute(target + ".tmp"), to: absolute(target))
    try disk.reached(.attributesPlaced)
  }

  /// Rewrites attributes during recovery, when nobody reads, and tidies up what an interrupted replacement left.
  func restoreAttributes(_ attributes: [UInt8], at path: String) throws(DiskError) {
    let target = StoredName.attributes(of: path)
    try write(attributes, at: target)
    try removeIfThere(target + ".tmp")
  }

  /// Removes a document, its attributes last.
  func remove(_ path: String) throws(DiskError) {
    try removeIfThere(path)
    try disk.reached(.documentRemoved)
    try removeIfThere(StoredName.attributes(of: path))
    try removeIfThere(StoredName.attributes(of: path) + ".tmp")
    try disk.reached(.attributesRemoved)
  }

  func removeIfThere(_ path: String) throws(DiskError) {
    do throws(DiskError) { try disk.unlink(absolute(path)) } catch { if !error.isMissing { throw error } }
  }

  func write(_ bytes: [UInt8], at path: String) throws(DiskError) {
    try makeParent(of: path)
    let file = try disk.open(absolute(path), .replace)
    defer { file.close() }
    try file.write(bytes, at: 0)
  }

  func makeParent(of path: String) throws(DiskError) { try make(RealDisk.parent(of: absolute(path))) }

  /// Forgets a directory that was removed.
  func forget(_ directory: String) { known.withLock { _ = $0.remove(directory) } }

  /// Durable before anything is moved into it: the next sync of `staging` may make the move's one half last, and with a
  /// directory that did not, the document would be nowhere. One that is there may be in the page cache only, so it
  /// counts as durable only when this process has synced its name.
  private func make(_ path: String) throws(DiskError) {
    guard path.utf8.count > root.utf8.count, !known.withLock({ $0.contains(path) }) else { return }
    let parent = RealDisk.parent(of: path)
    try make(parent)
    if try disk.stat(path) == nil { try disk.makeDirectory(path) }
    try disk.syncDirectory(parent, .documentDirectory)
    known.withLock { known in
      // A store writes into one directory an hour: a small memory is enough.
      if known.count > 1024 { known.removeAll() }
      known.insert(path)
    }
  }
}
