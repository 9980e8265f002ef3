internal import Glibc

extension DiskFile {
  /// By ordinary writes.
  public func fillZeros(_ count: Int) throws(DiskError) {
    let zeros = [UInt8](repeating: 0, count: min(count, 1 << 20))
    for offset in stride(from: 0, to: count, by: zeros.count) {
      try write(offset + zeros.count <= count ? zeros : Array(zeros.prefix(count - offset)), at: offset)
    }
  }

  /// By ordinary writes.
  public func writeBehind(_ pieces: [UnsafeRawBufferPointer], at offset: Int) throws(DiskError) {
    var offset = offset
    for piece in pieces {
      try write(piece, at: offset)
      offset += piece.count
    }
  }

  /// Writes all of `bytes` at `offset`.
  public func write(_ bytes: [UInt8], at offset: Int) throws(DiskError) {
    try bytes.withUnsafeBufferPointer { (buffer) throws(DiskError) in
      try write(UnsafeRawBufferPointer(buffer), at: offset)
    }
  }

  /// Up to `count` bytes from `offset`; fewer only at the file's end.
  public func read(at offset: Int, count: Int) throws(DiskError) -> [UInt8] {
    var failure: DiskError?
    let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
      do throws(DiskError) {
        filled = try read(into: UnsafeMutableRawBufferPointer(buffer), at: offset)
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
    return bytes
  }

  /// The whole file; throws `EFBIG` when it is longer than `limit` bytes.
  public func contents(limit: Int) throws(DiskError) -> [UInt8] {
    let size = try size()
    guard size <= limit else { throw DiskError("read", path, code: EFBIG) }
    return try read(at: 0, count: size)
  }
}

extension Disk {
  /// By its path.
  public func put(_ bytes: [UInt8], as name: String, in directory: any DiskFile) throws(DiskError) {
    let file = try open("\(directory.path)/\(name)", .replace)
    defer { file.close() }
    try file.write(bytes, at: 0)
  }

  public func contents(of names: [String], in directory: String, limit: Int) throws(DiskError) -> [[UInt8]?] {
    var all: [[UInt8]?] = []
    all.reserveCapacity(names.count)
    for name in names {
      do throws(DiskError) {
        all.append(try contents("\(directory)/\(name)", limit: limit))
      } catch {
        guard error.code == EFBIG else { throw error }
        all.append(nil)
      }
    }
    return all
  }

  /// The whole file at `path`; nil when there is none. Throws `EFBIG` when it is longer than `limit` bytes.
  public func contents(_ path: String, limit: Int) throws(DiskError) -> [UInt8]? {
    do throws(DiskError) {
      let file = try open(path, .read)
      defer { file.close() }
      return try file.contents(limit: limit)
    } catch {
      if error.isMissing { return nil }
      throw error
    }
  }

  /// Replaces a small file so that a reader, and a power cut, find the old or the new bytes, never a mixture:
  /// temporary name, sync, rename, directory sync.
  public func replace(_ path: String, with bytes: [UInt8]) throws(DiskError) {
    let temporary = path + ".tmp"
    let file = try openAnew(temporary)
    defer { file.close() }
    try file.write(bytes, at: 0)
    try file.sync(.stateBytes)
    try reached(.stateWritten)
    try rename(temporary, to: path)
    try syncDirectory(Self.parent(of: path), .stateName)
    try reached(.stateRenamed)
  }

  /// A file that nothing is left of from before, for writing: under a name that is made now. One that a process left
  /// behind may show although a failed sync dropped its name, and renaming it would then not last.
  public func openAnew(_ path: String) throws(DiskError) -> any DiskFile {
    do throws(DiskError) { try unlink(path) } catch { if !error.isMissing { throw error } }
    return try open(path, .replace)
  }

  /// Makes a directory and its missing parents, below `root`, which must exist. Every new name is made durable.
  /// `confirming`: also the name of one that exists, for whoever made it may have died before that.
  public func makeDirectories(_ path: String, confirming: Bool = false) throws(DiskError) {
    let exists = try stat(path) != nil
    if exists, !confirming { return }
    let parent = Self.parent(of: path)
    if !exists {
      if parent != path { try makeDirectories(parent) }
      try makeDirectory(path)
    }
    try syncDirectory(parent, .directoryMade)
  }

  /// The directory that holds `path`.
  public static func parent(of path: String) -> String {
    guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")), slash != path.startIndex else { return "/" }
    return String(path[..<slash])
  }
}
