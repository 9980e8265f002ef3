import Disk
import Synchronization

/// The real disk, until one write to a part in `staging/` finds it full.
final class FillingDisk: Disk {
  private let real = RealDisk()
  /// How many writes are left before that one; below zero: none fails.
  fileprivate let left = Atomic(-1)

  func fail(after writes: Int) { left.store(writes, ordering: .relaxed) }

  func open(_ path: String, _ mode: OpenMode) throws(DiskError) -> any DiskFile {
    let file = try real.open(path, mode)
    return path.hasSuffix(".part") ? FillingFile(file, self) : file
  }
  func rename(_ path: String, to target: String) throws(DiskError) { try real.rename(path, to: target) }
  func unlink(_ path: String) throws(DiskError) { try real.unlink(path) }
  func makeDirectory(_ path: String) throws(DiskError) { try real.makeDirectory(path) }
  func removeDirectory(_ path: String) throws(DiskError) { try real.removeDirectory(path) }
  func syncDirectory(_ path: String, _ site: SyncSite) throws(DiskError) { try real.syncDirectory(path, site) }
  func list(_ path: String) throws(DiskError) -> [DirectoryEntry] { try real.list(path) }
  func stat(_ path: String) throws(DiskError) -> PathStatus? { try real.stat(path) }
  func space(_ path: String) throws(DiskError) -> DiskSpace { try real.space(path) }
  func lock(_ path: String, holder: String) throws(DiskError) -> any DiskFile { try real.lock(path, holder: holder) }
  func reached(_ point: CrashPoint) throws(DiskError) {}
}

private final class FillingFile: DiskFile {
  private let real: any DiskFile
  private let disk: FillingDisk

  init(_ real: any DiskFile, _ disk: FillingDisk) {
    self.real = real
    self.disk = disk
  }

  var path: String { real.path }
  var descriptor: CInt? { real.descriptor }

  private func spend() throws(DiskError) {
    if disk.left.subtract(1, ordering: .relaxed).oldValue == 0 { throw .full("pwritev2", path) }
  }

  func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(DiskError) {
    try spend()
    try real.write(bytes, at: offset)
  }
  func writeBehind(_ pieces: [UnsafeRawBufferPointer], at offset: Int) throws(DiskError) {
    try spend()
    try real.writeBehind(pieces, at: offset)
  }
  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(DiskError) -> Int {
    try real.read(into: buffer, at: offset)
  }
  func sync(_ site: SyncSite) throws(DiskError) { try real.sync(site) }
  func syncFileSystem(_ site: SyncSite) throws(DiskError) { try real.syncFileSystem(site) }
  func truncate(to size: Int) throws(DiskError) { try real.truncate(to: size) }
  func allocate(_ count: Int) throws(DiskError) { try real.allocate(count) }
  func startWriteback(at offset: Int, count: Int) { real.startWriteback(at: offset, count: count) }
  func dropCache() { real.dropCache() }
  func size() throws(DiskError) -> Int { try real.size() }
  func close() { real.close() }
}
