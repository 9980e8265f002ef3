internal import CDisk
internal import Glibc
internal import Synchronization

/// A descriptor of Linux.
final class RealFile: DiskFile {
  let path: String
  private let number: CInt
  private let isClosed = Atomic(false)
  /// The kernel, or the file system, has no writes that leave its cache by themselves.
  private let hasNoUncached = Atomic(false)
  /// The file system refuses writes from the caller's memory.
  private let hasNoDirect = Atomic(false)
  /// Without uncached writes: written out in pieces of this size; two are on their way before one leaves the cache.
  private static let behindBytes = 8 << 20

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

  func writeBehind(_ pieces: [UnsafeRawBufferPointer], at offset: Int) throws(DiskError) {
    var vectors = pieces.map { iovec(iov_base: UnsafeMutableRawPointer(mutating: $0.baseAddress), iov_len: $0.count) }
    if try writeDirect(vectors, at: offset) { return }
    var isUncached: CInt = hasNoUncached.load(ordering: .relaxed) ? 0 : 1
    guard artstore_write_pieces(number, &vectors, CInt(vectors.count), Int64(offset), &isUncached) == 0 else {
      throw DiskError("pwritev2", path, code: errno)
    }
    if isUncached != 0 { return }
    hasNoUncached.store(true, ordering: .relaxed)
    let end = pieces.reduce(offset) { $0 + $1.count } / Self.behindBytes * Self.behindBytes
    guard end > offset else { return }
    startWriteback(at: end - Self.behindBytes, count: Self.behindBytes)
    guard end >= 3 * Self.behindBytes else { return }
    // What is still on its way stays; that is no loss.
    _ = artstore_drop_range(number, Int64(end - 3 * Self.behindBytes), Int64(Self.behindBytes))
  }

  /// Whether all was written straight from this memory, without a copy in the page cache (decision 0095).
  private func writeDirect(_ vectors: [iovec], at offset: Int) throws(DiskError) -> Bool {
    guard !hasNoDirect.load(ordering: .relaxed) else { return false }
    var written: Int64 = 0
    guard artstore_write_direct(number, vectors, CInt(vectors.count), Int64(offset), &written) == 0 else {
      // The other way says what is wrong, if more is than the way.
      guard errno == EINVAL || errno == EOPNOTSUPP else { throw DiskError("pwritev", path, code: errno) }
      hasNoDirect.store(true, ordering: .relaxed)
      return false
    }
    // After a short one everything is written again: the same bytes at the same place.
    return Int(written) == vectors.reduce(0) { $0 + $1.iov_len }
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
