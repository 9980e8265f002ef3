internal import CDisk
internal import Glibc

/// Linux. Stateless: every path and descriptor is given.
public struct RealDisk: Disk {
  public init() {}

  public func open(_ path: String, _ mode: OpenMode) throws(DiskError) -> any DiskFile {
    let flags =
      switch mode {
      case .read: O_RDONLY
      case .update: O_RDWR
      case .create: O_RDWR | O_CREAT | O_EXCL
      case .replace: O_RDWR | O_CREAT | O_TRUNC
      case .directory: O_RDONLY | O_DIRECTORY
      }
    let descriptor = Self.retry { artstore_open(path, flags | O_NOFOLLOW, 0o600) }
    guard descriptor >= 0 else { throw DiskError("open", path, code: errno) }
    return RealFile(descriptor: descriptor, path: path)
  }

  /// By the open directory: the path to it is not walked again for each of its files.
  public func put(_ bytes: [UInt8], as name: String, in directory: any DiskFile) throws(DiskError) {
    guard let descriptor = directory.descriptor else { throw DiskError("openat", directory.path, code: EBADF) }
    var isOpen: CInt = 0
    let status = bytes.withUnsafeBytes { artstore_put(descriptor, name, $0.baseAddress, $0.count, &isOpen) }
    guard status == 0 else {
      throw DiskError(isOpen != 0 ? "pwrite" : "openat", "\(directory.path)/\(name)", code: errno)
    }
  }

  public func rename(_ path: String, to target: String) throws(DiskError) {
    guard Glibc.rename(path, target) == 0 else { throw DiskError("rename to \(target)", path, code: errno) }
  }

  public func unlink(_ path: String) throws(DiskError) {
    guard Glibc.unlink(path) == 0 else { throw DiskError("unlink", path, code: errno) }
  }

  public func makeDirectory(_ path: String) throws(DiskError) {
    guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw DiskError("mkdir", path, code: errno) }
  }

  public func removeDirectory(_ path: String) throws(DiskError) {
    guard rmdir(path) == 0 else { throw DiskError("rmdir", path, code: errno) }
  }

  public func syncDirectory(_ path: String, _ site: SyncSite) throws(DiskError) {
    let descriptor = Self.retry { artstore_open(path, O_RDONLY | O_DIRECTORY, 0) }
    guard descriptor >= 0 else { throw DiskError("open", path, code: errno) }
    defer { _ = Glibc.close(descriptor) }
    guard fsync(descriptor) == 0 else { throw DiskError("fsync", path, code: errno) }
  }

  public func list(_ path: String) throws(DiskError) -> [DirectoryEntry] {
    guard let stream = opendir(path) else { throw DiskError("opendir", path, code: errno) }
    defer { closedir(stream) }
    var entries: [DirectoryEntry] = []
    while true {
      errno = 0
      guard let entry = readdir(stream) else {
        guard errno == 0 else { throw DiskError("readdir", path, code: errno) }
        return entries
      }
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name == "." || name == ".." { continue }
      var kind: DirectoryEntry.Kind =
        switch CInt(entry.pointee.d_type) {
        case CInt(DT_REG): .file
        case CInt(DT_DIR): .directory
        default: .other
        }
      // Some file systems do not say the kind in the directory.
      if CInt(entry.pointee.d_type) == CInt(DT_UNKNOWN) { kind = try stat("\(path)/\(name)")?.kind ?? .other }
      entries.append(DirectoryEntry(name: name, kind: kind))
    }
  }

  public func stat(_ path: String) throws(DiskError) -> PathStatus? {
    var status = Glibc.stat()
    guard lstat(path, &status) == 0 else {
      if errno == ENOENT || errno == ENOTDIR { return nil }
      throw DiskError("stat", path, code: errno)
    }
    return PathStatus(status)
  }

  public func space(_ path: String) throws(DiskError) -> DiskSpace {
    var status = statvfs()
    guard statvfs(path, &status) == 0 else { throw DiskError("statvfs", path, code: errno) }
    return DiskSpace(
      total: Int(status.f_blocks) * Int(status.f_frsize), available: Int(status.f_bavail) * Int(status.f_frsize))
  }

  public func lock(_ path: String, holder: String) throws(DiskError) -> any DiskFile {
    let descriptor = Self.retry { artstore_open(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600) }
    guard descriptor >= 0 else { throw DiskError("open", path, code: errno) }
    let file = RealFile(descriptor: descriptor, path: path)
    guard artstore_lock(descriptor) == 0 else {
      guard errno == EWOULDBLOCK else { throw DiskError("flock", path, code: errno) }
      let text = try file.contents(limit: 256)
      let name = String(decoding: text.filter { $0 >= 0x20 }, as: UTF8.self)
      throw DiskError("lock", path, code: EWOULDBLOCK, holder: name.isEmpty ? "another process" : name)
    }
    // Into the block that it has: a full disk is no reason not to start.
    try file.write(Array(holder.utf8), at: 0)
    try file.truncate(to: holder.utf8.count)
    return file
  }

  public func reached(_ point: CrashPoint) {}

  /// Repeats a call that a signal interrupted.
  static func retry(_ call: () -> CInt) -> CInt {
    while true {
      let result = call()
      if result >= 0 || errno != EINTR { return result }
    }
  }
}

extension PathStatus {
  init(_ status: Glibc.stat) {
    let kind: DirectoryEntry.Kind =
      switch status.st_mode & S_IFMT {
      case S_IFREG: .file
      case S_IFDIR: .directory
      default: .other
      }
    self.init(
      kind: kind, size: Int(status.st_size), allocated: Int(status.st_blocks) * 512,
      modifiedMicroseconds: Int64(status.st_mtim.tv_sec) * 1_000_000 + Int64(status.st_mtim.tv_nsec) / 1000,
      device: UInt64(status.st_dev))
  }
}
