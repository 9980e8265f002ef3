internal import CLinux
internal import Glibc

/// Reading files from a loop without ever waiting for a disk.
public enum FileRead {
  public enum Outcome: Sendable {
    case bytes(Int)
    /// Not in the page cache: read it on a `BlockingPool`.
    case cold
    case failed(CInt)
  }

  /// Up to `buffer.count` bytes from `offset`, only from the page cache. 0 bytes: the end of the file.
  public static func cached(_ descriptor: CInt, into buffer: UnsafeMutableRawBufferPointer, at offset: Int) -> Outcome {
    let count = clinux_pread_cached(descriptor, buffer.baseAddress, buffer.count, Int64(offset))
    if count >= 0 { return .bytes(count) }
    let reason = clinux_errno()
    // EOPNOTSUPP: this file system cannot tell what is cached (overlay, FUSE), so it is taken for cold.
    return reason == EAGAIN || reason == EOPNOTSUPP || reason == EINTR ? .cold : .failed(reason)
  }

  /// The same, waiting for the disk. For threads that may.
  public static func blocking(_ descriptor: CInt, into buffer: UnsafeMutableRawBufferPointer, at offset: Int) -> Outcome
  {
    while true {
      let count = pread(descriptor, buffer.baseAddress, buffer.count, off_t(offset))
      if count >= 0 { return .bytes(count) }
      let reason = clinux_errno()
      if reason != EINTR { return .failed(reason) }
    }
  }
}
