/// The storage engine's only door to a file system. Every call blocks; callers stand on threads that may.
///
/// The engine is written against what a disk *guarantees*, not what it usually does: bytes are durable after `sync` of
/// their file, names (created, renamed, removed) after `syncDirectory` of their directory, everything after
/// `syncFileSystem`; before that any part of it may be lost, in any order, by a power cut. `RealDisk` is Linux; the
/// simulated disk of the tests takes every liberty that this contract leaves.
///
/// Paths are absolute. Errors say what was attempted on what and why (`DiskError`).
public protocol Disk: Sendable {
  /// Opens a file. Throws `ENOENT`, `EEXIST`, `ENOSPC`, … as open(2) does.
  func open(_ path: String, _ mode: OpenMode) throws(DiskError) -> any DiskFile

  /// Writes the file `name` in a directory that was opened as `.directory`: new (0600), or the existing one cut to
  /// nothing. Not durable before a sync.
  func put(_ bytes: [UInt8], as name: String, in directory: any DiskFile) throws(DiskError)

  /// Renames, replacing what is at `target`. Durable after `syncDirectory` of both parents.
  func rename(_ path: String, to target: String) throws(DiskError)

  /// Removes a file's name; throws `ENOENT` when it has none.
  func unlink(_ path: String) throws(DiskError)

  /// Makes one directory (0700); one that exists already is success.
  func makeDirectory(_ path: String) throws(DiskError)

  /// Removes an empty directory.
  func removeDirectory(_ path: String) throws(DiskError)

  /// Makes the names in a directory durable.
  func syncDirectory(_ path: String, _ site: SyncSite) throws(DiskError)

  /// The bytes of small files of one directory, in the order of their names; nil for one that is missing or longer than
  /// `limit` bytes. For reading very many: a disk may know a shorter way than from the root each time.
  func contents(of names: [String], in directory: String, limit: Int) throws(DiskError) -> [[UInt8]?]

  /// The entries of a directory, without `.` and `..`, in no order.
  func list(_ path: String) throws(DiskError) -> [DirectoryEntry]

  /// What stands at `path` (symbolic links are not followed); nil when nothing does.
  func stat(_ path: String) throws(DiskError) -> PathStatus?

  /// Total and free bytes of the file system that holds `path`.
  func space(_ path: String) throws(DiskError) -> DiskSpace

  /// Takes the exclusive lock on a file, made when missing, and writes `holder` into it. When somebody else holds it:
  /// `DiskError.isLocked`, whose `holder` is what that process wrote. Freed by `close` and by the process's end.
  func lock(_ path: String, holder: String) throws(DiskError) -> any DiskFile

  /// Told at each named step around syncs and renames; nothing in production, a place to cut the power in tests.
  func reached(_ point: CrashPoint) throws(DiskError)
}

/// How a file is opened.
public enum OpenMode: Sendable, Hashable {
  /// For reading; must exist.
  case read
  /// For reading and writing; must exist.
  case update
  /// A new file (0600), for reading and writing; `EEXIST` when the name is taken.
  case create
  /// A new file (0600) or the existing one cut to nothing, for reading and writing.
  case replace
  /// A directory, as a handle for `syncFileSystem`.
  case directory
}

/// An open file. Safe to use from several threads at once; offsets are explicit. Closed at the latest when released.
public protocol DiskFile: AnyObject, Sendable {
  var path: String { get }

  /// The kernel's descriptor, for sendfile-like serving and locks; nil on a simulated disk.
  var descriptor: CInt? { get }

  /// Reads into `buffer` at `offset`; the count read, short only at the file's end.
  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(DiskError) -> Int

  /// Writes all of `bytes` at `offset`, extending the file when needed. Not durable before a sync.
  func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(DiskError)

  /// Writes the pieces one after the other from `offset`, as `write` does: not durable before a sync. For bytes that
  /// are not read soon: the disk begins to write them out by itself, and they need not stay in its cache. Whole pages
  /// only: `offset` and the sum of the pieces are multiples of `DiskPage.bytes`, and nothing else is ever written to
  /// these pages; nor does another thread write to the file meanwhile. Pieces that are whole pages of memory cost
  /// least.
  func writeBehind(_ pieces: [UnsafeRawBufferPointer], at offset: Int) throws(DiskError)

  /// Writes `count` zeros from the beginning. They will not be read soon: a disk may keep them out of its cache.
  func fillZeros(_ count: Int) throws(DiskError)

  /// Makes the file's bytes and its length durable (fdatasync(2)). After a failure nothing about earlier writes is
  /// known: never call it again to "retry".
  func sync(_ site: SyncSite) throws(DiskError)

  /// Makes everything on this file's file system durable (syncfs(2)); reports write-back errors since the file was
  /// opened.
  func syncFileSystem(_ site: SyncSite) throws(DiskError)

  /// Sets the length.
  func truncate(to size: Int) throws(DiskError)

  /// Reserves blocks for the first `count` bytes; `ENOSPC` when they are not there. The length stays.
  func allocate(_ count: Int) throws(DiskError)

  /// Asks the kernel to start writing a range out, without waiting.
  func startWriteback(at offset: Int, count: Int)

  /// Drops the file's clean pages from the page cache, so that the next read comes from the device.
  func dropCache()

  /// The length in bytes.
  func size() throws(DiskError) -> Int

  func close()
}

/// What a disk caches by.
public enum DiskPage {
  public static let bytes = 4096
}

/// A name in a directory.
public struct DirectoryEntry: Sendable, Hashable {
  public enum Kind: Sendable, Hashable { case file, directory, other }
  public let name: String
  public let kind: Kind

  public init(name: String, kind: Kind) {
    self.name = name
    self.kind = kind
  }
}

/// What stands at a path.
public struct PathStatus: Sendable, Hashable {
  public let kind: DirectoryEntry.Kind
  /// Length in bytes.
  public let size: Int
  /// Bytes taken on the disk.
  public let allocated: Int
  /// Microseconds since the Unix epoch.
  public let modifiedMicroseconds: Int64
  /// Identifies the file system.
  public let device: UInt64

  public init(kind: DirectoryEntry.Kind, size: Int, allocated: Int, modifiedMicroseconds: Int64, device: UInt64) {
    self.kind = kind
    self.size = size
    self.allocated = allocated
    self.modifiedMicroseconds = modifiedMicroseconds
    self.device = device
  }
}

/// A file system's room.
public struct DiskSpace: Sendable, Hashable {
  /// Size of the file system in bytes.
  public let total: Int
  /// Bytes that this process may still take.
  public let available: Int

  public init(total: Int, available: Int) {
    self.total = total
    self.available = available
  }
}
