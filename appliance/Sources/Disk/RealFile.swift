internal import CDisk
internal import Glibc
internal import Synchronization

/// A descriptor of Linux.
final class RealFile: DiskFile {
  let path: String
  private let number: CInt
  private let isClosed = Atomic(false)

  init(descriptor: CInt, path: String) {
    number = descriptor
    self.path = path
  }

  deinit { close() }

  var descriptor: CInt? { number }

  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(DiskError) -> Int {
    var done = 0
    while done < buffer.count {
      let count = pread(number, buffer.baseAddress.map { $0 + done }, buffer.count - done, off_t(offset + done))
      if count == 0 { break }
      if count < 0 {
        if errno == EINTR { continue }
        throw DiskError("pread", path, code: errno)
      }
      done += count
    }
    return done
  }

  func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(DiskError) {
    var done = 0
    while done < bytes.count {
      let count = pwrite(number, bytes.baseAddress.map { $0 + done }, bytes.count - done, off_t(offset + done))
      if count < 0 {
        if errno == EINTR { continue }
        throw DiskError("pwrite", path, code: errno)
      }
      done += count
    }
  }

  func fillZeros(_ count: Int) throws(DiskError) {
    guard artstore_fill_zeros(number, Int64(count)) == 0 else { throw DiskError("pwrite", path, code: errno) }
  }

  func sync(_ site: SyncSite) throws(DiskError) {
    guard fdatasync(number) == 0 else { throw DiskError("fdatasync", path, code: errno) }
  }

  func syncFileSystem(_ site: SyncSite) throws(DiskError) {
    guard artstore_syncfs(number) == 0 else { throw DiskError("syncfs", path, code: errno) }
  }

  func truncate(to size: Int) throws(DiskError) {
    guard RealDisk.retry({ ftruncate(number, off_t(size)) }) == 0 else {
      throw DiskError("ftruncate", path, code: errno)
    }
  }

  func allocate(_ count: Int) throws(DiskError) {
    guard RealDisk.retry({ artstore_allocate(number, Int64(count), 1) }) == 0 else {
      // A file system without fallocate still works, it only cannot promise the room.
      if errno == EOPNOTSUPP { return }
      throw DiskError("fallocate", path, code: errno)
    }
  }

  func startWriteback(at offset: Int, count: Int) {
    _ = artstore_start_writeback(number, Int64(offset), Int64(count))
  }

  func dropCache() { _ = artstore_drop_cache(number) }

  func size() throws(DiskError) -> Int {
    var status = Glibc.stat()
    guard fstat(number, &status) == 0 else { throw DiskError("fstat", path, code: errno) }
    return Int(status.st_size)
  }

  func close() {
    if !isClosed.exchange(true, ordering: .acquiringAndReleasing) { _ = Glibc.close(number) }
  }
}
