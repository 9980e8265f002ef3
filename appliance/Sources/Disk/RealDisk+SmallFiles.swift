internal import CDisk
internal import Glibc

extension RealDisk {
  /// From an open directory, each file with one read: a rebuild spends most of its time in these three calls.
  public func contents(of names: [String], in directory: String, limit: Int) throws(DiskError) -> [[UInt8]?] {
    let handle = Self.retry { artstore_open(directory, O_RDONLY | O_DIRECTORY, 0) }
    guard handle >= 0 else {
      // Gone with all that was in it.
      if errno == ENOENT { return names.map { _ in nil } }
      throw DiskError("open", directory, code: errno)
    }
    defer { _ = Glibc.close(handle) }
    // One byte more than is allowed: whoever fills it is too long.
    return try withUnsafeTemporaryAllocation(byteCount: limit + 1, alignment: 16) { (buffer) throws(DiskError) in
      var all: [[UInt8]?] = []
      all.reserveCapacity(names.count)
      for name in names { all.append(try Self.read(name, in: handle, directory, buffer)) }
      return all
    }
  }

  private static func read(
    _ name: String, in handle: CInt, _ directory: String, _ buffer: UnsafeMutableRawBufferPointer
  ) throws(DiskError) -> [UInt8]? {
    let descriptor = retry { openat(handle, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC) }
    guard descriptor >= 0 else {
      if errno == ENOENT { return nil }
      throw DiskError("open", "\(directory)/\(name)", code: errno)
    }
    defer { _ = Glibc.close(descriptor) }
    var count = 0
    while count < buffer.count {
      let got = Glibc.read(descriptor, buffer.baseAddress.map { $0 + count }, buffer.count - count)
      if got < 0, errno == EINTR { continue }
      guard got >= 0 else { throw DiskError("read", "\(directory)/\(name)", code: errno) }
      count += got
      // A regular file gives less than was asked for at its end only.
      if count < buffer.count { return Array(UnsafeRawBufferPointer(rebasing: buffer[..<count])) }
    }
    return nil
  }
}
