internal import Core
internal import Disk
internal import Synchronization

/// The plain files: `files/…`, `staging/…`, `quarantine/…` below the data directory.
final class DocumentTree: Sendable {
  let disk: any Disk
  let root: String
  /// Opened before anything is written: a sync of the file system reports every write-back error since.
  private let fileSystem: any DiskFile
  /// Directories known to exist, and whether they are durable; a name costs one system call once.
  private let known = Mutex<[String: Bool]>([:])
  /// The directory that documents are placed in now, below `root`: many come one after the other.
  private let current = Mutex<(path: String, handle: any DiskFile)?>(nil)

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
    let (directory, name) = try place(of: path)
    try disk.put(body, as: name, in: directory)
    try disk.reached(.documentPlaced)
    try disk.put(attributes, as: StoredName.attributes(of: name), in: directory)
    try disk.reached(.attributesPlaced)
  }

  /// A document's directory, opened, and its name in there.
  private func place(of path: String) throws(DiskError) -> (directory: any DiskFile, name: String) {
    let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) ?? path.startIndex
    let (parent, name) = (path[..<slash], String(path[slash...].dropFirst()))
    if let known = current.withLock({ $0 }), known.path == parent { return (known.handle, name) }
    let directory = absolute(String(parent))
    try make(directory, durably: false)
    let handle = try disk.open(directory, .directory)
    current.withLock { $0 = (String(parent), handle) }
    return (handle, name)
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
    try make(RealDisk.parent(of: absolute(path)), durably: false)
    let file = try disk.open(absolute(path), .replace)
    defer { file.close() }
    try file.write(bytes, at: 0)
  }

  /// For something that is moved there.
  func makeParent(of path: String) throws(DiskError) {
    try make(RealDisk.parent(of: absolute(path)), durably: true)
  }

  /// Durable before anything is moved into it: the next sync of `staging` may make the move's one half last, and with a
  /// directory that did not, the document would be nowhere. One that is there may be in the page cache only, so it
  /// counts as durable only when this process has synced its name. What is only written there comes from the journal
  /// again, directory and all, until a checkpoint has synced the whole file system.
  private func make(_ path: String, durably: Bool) throws(DiskError) {
    guard path.utf8.count > root.utf8.count else { return }
    let isDurable = known.withLock { $0[path] }
    if let isDurable, isDurable || !durably { return }
    let parent = RealDisk.parent(of: path)
    try make(parent, durably: durably)
    if try disk.stat(path) == nil { try disk.makeDirectory(path) }
    if durably { try disk.syncDirectory(parent, .documentDirectory) }
    known.withLock { known in
      // A store writes into few directories an hour: a small memory is enough.
      if known.count > 1024 { known.removeAll() }
      known[path] = durably
    }
  }
}
