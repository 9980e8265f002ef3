internal import Glibc

/// An open file that closes itself with its last holder.
public final class OpenFile: Sendable {
  public let descriptor: CInt

  /// Takes ownership of the descriptor.
  public init(descriptor: CInt) {
    precondition(descriptor >= 0)
    self.descriptor = descriptor
  }

  deinit { close(descriptor) }
}

/// Bytes of a file that an answer carries.
public struct FileSlice: Sendable {
  public let file: OpenFile
  public let offset: Int
  public let count: Int

  public init(file: OpenFile, offset: Int, count: Int) {
    precondition(offset >= 0 && count >= 0)
    self.file = file
    self.offset = offset
    self.count = count
  }
}
