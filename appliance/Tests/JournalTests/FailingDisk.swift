import Disk
import Synchronization

/// The real disk, whose syncs can be made to fail.
final class FailingDisk: Disk {
  private let real = RealDisk()
  private let fails = Atomic(false)
  private let syncs = Atomic(0)

  /// How often a directory was synced.
  var directorySyncs: Int { syncs.load(ordering: .relaxed) }

  var failsSync: Bool {
    get { fails.load(ordering: .relaxed) }
    set { fails.store(newValue, ordering: .relaxed) }
  }

  /// The next write, or the one `after` so many, puts down a half and reports a full disk. `calls` tells what was
  /// called on files.
  func fillUp(after writes: Int = 0) {
    writesLeft.store(writes, ordering: .relaxed)
    isFull.store(true, ordering: .relaxed)
  }
  /// Nothing can be written until the journal's reserve is given up.
  func fillUpButForTheReserve() { isStuck.store(true, ordering: .relaxed) }
  fileprivate let isStuck = Atomic(false)

  var calls: [String] { called.withLock { $0 } }
  private let isFull = Atomic(false)
  private let writesLeft = Atomic(0)
  private let called = Mutex<[String]>([])

  fileprivate func note(_ call: String) { called.withLock { $0.append(call) } }
  /// True once after `fillUp`.
  fileprivate func takesFull() -> Bool {
    if isStuck.load(ordering: .relaxed) { return true }
    guard isFull.load(ordering: .relaxed) else { return false }
    guard writesLeft.load(ordering: .relaxed) == 0 else {
      writesLeft.subtract(1, ordering: .relaxed)
      return false
    }
    return isFull.exchange(false, ordering: .relaxed)
  }

  func open(_ path: String, _ mode: OpenMode) throws(DiskError) -> any DiskFile {
    FailingFile(try real.open(path, mode), disk: self)
  }
  func rename(_ path: String, to target: String) throws(DiskError) { try real.rename(path, to: target) }
  func unlink(_ path: String) throws(DiskError) {
    note("unlink \(path.split(separator: "/").last ?? "")")
    try real.unlink(path)
    if path.hasSuffix("/reserve") { isStuck.store(false, ordering: .relaxed) }
  }
  func makeDirectory(_ path: String) throws(DiskError) { try real.makeDirectory(path) }
  func removeDirectory(_ path: String) throws(DiskError) { try real.removeDirectory(path) }
  func syncDirectory(_ path: String, _ site: SyncSite) throws(DiskError) {
    syncs.add(1, ordering: .relaxed)
    note("sync \(site)")
    if failsSync { throw .failed("fsync", path) }
    try real.syncDirectory(path, site)
  }
  func list(_ path: String) throws(DiskError) -> [DirectoryEntry] { try real.list(path) }
  func stat(_ path: String) throws(DiskError) -> PathStatus? { try real.stat(path) }
  func space(_ path: String) throws(DiskError) -> DiskSpace { try real.space(path) }
  func lock(_ path: String, holder: String) throws(DiskError) -> any DiskFile {
    try real.lock(path, holder: holder)
  }
  func reached(_ point: CrashPoint) throws(DiskError) {}
}

private final class FailingFile: DiskFile {
  private let real: any DiskFile
  private let disk: FailingDisk

  init(_ real: any DiskFile, disk: FailingDisk) {
    self.real = real
    self.disk = disk
  }

  var path: String { real.path }
  var descriptor: CInt? { real.descriptor }
  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(DiskError) -> Int {
    try real.read(into: buffer, at: offset)
  }
  func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(DiskError) {
    guard disk.takesFull() else { return try real.write(bytes, at: offset) }
    disk.note("full")
    try real.write(UnsafeRawBufferPointer(rebasing: bytes.prefix(bytes.count / 2)), at: offset)
    throw .full("pwrite", path)
  }
  func sync(_ site: SyncSite) throws(DiskError) {
    disk.note("sync \(site)")
    if disk.failsSync { throw .failed("fdatasync", path) }
    try real.sync(site)
  }
  func syncFileSystem(_ site: SyncSite) throws(DiskError) { try real.syncFileSystem(site) }
  func truncate(to size: Int) throws(DiskError) {
    disk.note("truncate to \(size)")
    try real.truncate(to: size)
  }
  func allocate(_ count: Int) throws(DiskError) {
    if disk.isStuck.load(ordering: .relaxed) { throw .full("fallocate", path) }
    try real.allocate(count)
  }
  func startWriteback(at offset: Int, count: Int) { real.startWriteback(at: offset, count: count) }
  func dropCache() { real.dropCache() }
  func size() throws(DiskError) -> Int { try real.size() }
  func close() { real.close() }
}
