import Core
import Disk

/// A disk in memory that takes every liberty that `Disk`'s contract leaves: unsynced bytes and names may vanish in a
/// power cut, page by page, in any order, torn at any byte; any call may fail; a failed sync forgets what it was to
/// make durable. A killed process loses nothing here (the page cache stays) until a later power cut.
///
/// A rename is atomic also across a power cut: the file stands under the old name, the new one, or both, never under
/// none.
final class SimulatedDisk: Disk, @unchecked Sendable {  // a simulation runs in one task
  var random: SimulationRandom
  var faults = FaultPlan()
  private(set) var isDown = false
  /// Calls that changed something, since the last start.
  private(set) var steps = 0
  /// How often each crash point was reached, and each fault was dealt, over the whole run.
  private(set) var reachedCounts: [CrashPoint: Int] = [:]
  private(set) var faultCounts: [Fault: Int] = [:]
  /// What the run came to so far: equal when every call was.
  var trace = Trace()
  /// The syncs that do nothing: for builds that must be caught.
  var omitted: Set<SyncSite> = []
  /// Told of crash points.
  var onReached: (CrashPoint) -> Void = { _ in }
  /// What brought the process down, since the last start.
  private(set) var downBy: Fault?
  /// A fault was dealt since the last start.
  private(set) var hasDealt = false
  private var reads = 0

  private var names: [String: SimulatedInode] = [:]
  private var directories: Set<String> = ["/"]
  private var durableNames: [String: SimulatedInode] = [:]
  private var durableDirectories: Set<String> = ["/"]
  private var pending: [NameChange] = []
  private var locks: Set<String> = []

  init(seed: UInt64) { random = SimulationRandom(seed: seed) }

  // MARK: Faults

  /// Called by every call that changes something. Throws when the plan says so.
  /// `needsRoom`: a full disk refuses it.
  func step(_ operation: String, _ path: String, _ kind: Fault, needsRoom: Bool = false) throws(DiskError) {
    guard !isDown else { throw .powerCut(operation, path) }
    steps += 1
    trace.add(operation)
    trace.add(path)
    if steps == faults.powerCutAt || steps == faults.killAt {
      goDown(steps == faults.killAt ? .killInCall : .powerCutInCall)
      throw .powerCut(operation, path)
    }
    guard let at = faults.failAt, steps >= at else { return }
    if faults.failure == .full {
      guard needsRoom, path.hasPrefix(faults.fullBelow) else { return }
      faults.fullCalls -= 1
      if faults.fullCalls <= 0 { faults.failAt = nil }
      count(kind == .writeFailed ? .fullInWrite : .full)
      throw .full(operation, path)
    }
    if faults.failure == .fullInSync, kind == .syncFailed {
      faults.failAt = nil
      count(.fullInSync)
      throw .full(operation, path)
    }
    if faults.failure == kind || kind == .otherFailed {
      faults.failAt = nil
      count(kind)
      throw .failed(operation, path)
    }
  }

  /// Called by every call that only looks.
  func look(_ operation: String, _ path: String) throws(DiskError) {
    guard !isDown else { throw .powerCut(operation, path) }
    reads += 1
    guard let at = faults.failReadAt, reads >= at else { return }
    faults.failReadAt = nil
    count(.readFailed)
    throw .failed(operation, path)
  }

  func count(_ fault: Fault) {
    faultCounts[fault, default: 0] += 1
    hasDealt = true
  }

  private func goDown(_ fault: Fault) {
    count(fault)
    isDown = true
    downBy = fault
  }

  func reached(_ point: CrashPoint) throws(DiskError) {
    guard !isDown else { throw .powerCut("reach", point.rawValue) }
    trace.add(point.rawValue)
    reachedCounts[point, default: 0] += 1
    if let (wanted, times) = faults.powerCutAtPoint, wanted == point {
      faults.powerCutAtPoint = times > 1 ? (wanted, times - 1) : nil
      if times <= 1 {
        goDown(random.percent(70) ? .powerCutInCall : .killInCall)
        throw .powerCut("reach", point.rawValue)
      }
    }
    onReached(point)
  }

  /// The process dies; the machine goes on. Nothing is lost.
  func kill() {
    count(.kill)
    restart()
  }

  /// The power goes: whatever was not made durable is decided now.
  func cutPower() {
    count(.powerCut)
    // Some cuts lose everything, some nothing, most a part.
    let keep = [0, 20, 50, 80, 100][random.below(5)]
    for change in pending where random.percent(keep) {
      apply(change, names: &durableNames, directories: &durableDirectories)
      count(.survivedName)
    }
    if !pending.isEmpty { count(.lostName) }
    pending = []
    loseUnreachable()
    var done: Set<ObjectIdentifier> = []
    for (_, inode) in durableNames.sorted(by: { $0.key < $1.key }) where done.insert(ObjectIdentifier(inode)).inserted {
      settle(inode, keep: keep)
    }
    names = durableNames
    directories = durableDirectories
    restart()
  }

  /// What was done so far was the preparation.
  func beginAgain() { restart() }

  private func restart() {
    isDown = false
    downBy = nil
    hasDealt = false
    steps = 0
    reads = 0
    faults = FaultPlan()
    locks = []
  }

  private func settle(_ inode: SimulatedInode, keep: Int) {
    for write in inode.pending {
      switch write {
      case .truncate: if random.percent(keep) { inode.apply(write, to: &inode.durable) }
      case .bytes(let offset, let bytes):
        // Page by page: 4096 bytes of the file.
        var start = 0
        while start < bytes.count {
          let end = min(bytes.count, start + 4096 - (offset + start) % 4096)
          if random.percent(keep) {
            var piece = Array(bytes[start..<end])
            var skipped = 0
            if random.percent(10), piece.count > 1 {
              // At any byte, and its end may be there without its beginning.
              let torn = 1 + random.below(piece.count - 1)
              if random.percent(30) {
                piece.removeFirst(torn)
                skipped = torn
              } else {
                piece.removeLast(torn)
              }
              count(.tornWrite)
            }
            inode.apply(.bytes(offset: offset + start + skipped, piece), to: &inode.durable)
          } else {
            count(.lostWrite)
          }
          start = end
        }
      }
    }
    inode.cameBack()
  }

  /// What a lost directory held is lost with it, durable or not.
  private func loseUnreachable() {
    let before = directories.count
    for directory in durableDirectories.sorted(by: { $0.utf8.count < $1.utf8.count }) where directory != "/" {
      if !durableDirectories.contains(Self.parent(of: directory)) { durableDirectories.remove(directory) }
    }
    durableNames = durableNames.filter { durableDirectories.contains(Self.parent(of: $0.key)) }
    if durableDirectories.count < before { count(.lostDirectory) }
  }

  private func apply(
    _ change: NameChange, isChecked: Bool = true, names: inout [String: SimulatedInode], directories: inout Set<String>
  ) {
    switch change {
    case .link(let path, let inode):
      // Nothing exists in a directory that does not: a rename into it then did not happen either.
      if !isChecked || directories.contains(Self.parent(of: path)) { names[path] = inode }
    case .unlink(let path): names[path] = nil
    case .rename(let from, let to):
      guard let inode = names[from], !isChecked || directories.contains(Self.parent(of: to)) else { return }
      names[to] = inode
      names[from] = nil
    case .makeDirectory(let path):
      if !isChecked || directories.contains(Self.parent(of: path)) { directories.insert(path) }
    case .removeDirectory(let path): directories.remove(path)
    }
  }

  private func change(_ change: NameChange) {
    apply(change, names: &names, directories: &directories)
    pending.append(change)
  }

  // MARK: Disk

  func open(_ path: String, _ mode: OpenMode) throws(DiskError) -> any DiskFile {
    try look("open", path)
    if mode == .directory {
      guard directories.contains(path) else { throw .missing("open", path) }
      return SimulatedFile(path: path, inode: SimulatedInode(), disk: self)
    }
    if let inode = names[path] {
      if mode == .create { throw .taken("open", path) }
      if mode == .replace {
        try step("open", path, .otherFailed)
        inode.take(.truncate(0))
      }
      return SimulatedFile(path: path, inode: inode, disk: self)
    }
    guard mode == .create || mode == .replace, directories.contains(Self.parent(of: path)) else {
      throw .missing("open", path)
    }
    try step("open", path, .otherFailed, needsRoom: true)
    let inode = SimulatedInode()
    change(.link(path, inode))
    return SimulatedFile(path: path, inode: inode, disk: self)
  }

  func rename(_ path: String, to target: String) throws(DiskError) {
    guard names[path] != nil, directories.contains(Self.parent(of: target)) else { throw .missing("rename", path) }
    try step("rename", path, .renameFailed, needsRoom: true)
    change(.rename(path, target))
  }

  func unlink(_ path: String) throws(DiskError) {
    guard !isDown else { throw .powerCut("unlink", path) }
    guard names[path] != nil else { throw .missing("unlink", path) }
    try step("unlink", path, .otherFailed)
    change(.unlink(path))
  }

  func makeDirectory(_ path: String) throws(DiskError) {
    if directories.contains(path) { return }
    guard directories.contains(Self.parent(of: path)) else { throw .missing("mkdir", path) }
    try step("mkdir", path, .otherFailed, needsRoom: true)
    change(.makeDirectory(path))
  }

  func removeDirectory(_ path: String) throws(DiskError) {
    try step("rmdir", path, .otherFailed)
    change(.removeDirectory(path))
  }

  func syncDirectory(_ path: String, _ site: SyncSite) throws(DiskError) {
    do throws(DiskError) { try step("fsync", path, .syncFailed) } catch {
      if !error.isPowerCut { forgetNames(in: path) }
      throw error
    }
    if omitted.contains(site) { return }
    // What a name depends on comes with it: earlier changes of the same paths. Not that the directory exists: that is
    // for its parent to say.
    var wanted = Set<Int>()
    var paths = Set<String>()
    for index in pending.indices.reversed() {
      let touches = pending[index].paths
      if touches.contains(where: { Self.parent(of: $0) == path || paths.contains($0) }) {
        wanted.insert(index)
        paths.formUnion(touches)
      }
    }
    for index in pending.indices where wanted.contains(index) {
      apply(pending[index], isChecked: false, names: &durableNames, directories: &durableDirectories)
    }
    pending = pending.indices.filter { !wanted.contains($0) }.map { pending[$0] }
  }

  /// A failed sync of a directory: what was written of it may be dropped, as a file's pages are. Not a directory made
  /// in it: all that is later put there would be lost with it, and a file system that comes to that stops as a whole.
  private func forgetNames(in path: String) {
    let before = pending.count
    pending = pending.filter { change in
      if case .makeDirectory = change { return true }
      return !change.paths.contains { Self.parent(of: $0) == path } || random.percent(50)
    }
    if pending.count < before { count(.droppedName) }
  }

  func syncFileSystem(_ site: SyncSite) throws(DiskError) {
    do throws(DiskError) { try step("syncfs", "/", .syncFailed) } catch {
      if !error.isPowerCut { for (_, inode) in names.sorted(by: { $0.key < $1.key }) { forget(inode) } }
      throw error
    }
    if omitted.contains(site) { return }
    for change in pending { apply(change, names: &durableNames, directories: &durableDirectories) }
    pending = []
    for inode in names.values { inode.makeDurable() }
  }

  /// A failed sync: the kernel drops the dirty pages, or some of them, and forgets.
  func forget(_ inode: SimulatedInode) {
    guard !inode.pending.isEmpty else { return }
    inode.forget { _ in random.percent(30) }
    count(.droppedWrite)
  }

  func list(_ path: String) throws(DiskError) -> [DirectoryEntry] {
    try look("list", path)
    guard directories.contains(path) else { throw .missing("list", path) }
    let files = names.keys.filter { Self.parent(of: $0) == path }.map { (Self.name(of: $0), DirectoryEntry.Kind.file) }
    let below = directories.filter { $0 != "/" && Self.parent(of: $0) == path }
      .map { (Self.name(of: $0), DirectoryEntry.Kind.directory) }
    return (files + below).sorted { $0.0 < $1.0 }.map { DirectoryEntry(name: $0.0, kind: $0.1) }
  }

  func stat(_ path: String) throws(DiskError) -> PathStatus? {
    try look("stat", path)
    if let inode = names[path] {
      return PathStatus(
        kind: .file, size: inode.bytes.count, allocated: inode.bytes.count, modifiedMicroseconds: 0, device: 1)
    }
    guard directories.contains(path) else { return nil }
    return PathStatus(kind: .directory, size: 0, allocated: 0, modifiedMicroseconds: 0, device: 1)
  }

  func space(_ path: String) throws(DiskError) -> DiskSpace { DiskSpace(total: 1 << 40, available: 1 << 39) }

  func lock(_ path: String, holder: String) throws(DiskError) -> any DiskFile {
    guard locks.insert(path).inserted else { throw DiskError("lock", path, code: 11, holder: "somebody") }
    return try open(path, .replace)
  }

  func unlock(_ path: String) { locks.remove(path) }

  /// Every file below a directory, with its bytes as a process sees them.
  func files(below directory: String) -> [String: [UInt8]] {
    names.filter { $0.key.hasPrefix(directory + "/") }.mapValues(\.bytes)
  }

  /// A file that nobody of this program wrote; durable.
  func plant(_ path: String, _ bytes: [UInt8]) {
    let inode = SimulatedInode()
    inode.corrupt { $0 = bytes }
    names[path] = inode
    durableNames[path] = inode
  }

  /// Takes a file away behind everyone's back, durably.
  func lose(_ path: String) {
    names[path] = nil
    durableNames[path] = nil
    pending = pending.filter { !$0.paths.contains(path) }
  }

  /// Changes bytes behind everyone's back.
  func corrupt(_ path: String, _ change: (inout [UInt8]) -> Void) {
    names[path]?.corrupt(change)
  }

  private static func parent(of path: String) -> String { RealDisk.parent(of: path) }
  private static func name(of path: String) -> String { String(path[path.index(after: path.lastIndex(of: "/")!)...]) }
}
