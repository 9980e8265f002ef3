internal import Glibc
internal import Reactor

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
  /// Looks at every byte before it is sent; nil: what the disk gives is believed.
  public let check: (any FileCheck)?

  public init(file: OpenFile, offset: Int, count: Int, check: (any FileCheck)? = nil) {
    precondition(offset >= 0 && count >= 0)
    self.file = file
    self.offset = offset
    self.count = count
    self.check = check
  }
}

/// Knows what a file's bytes have to be, a block at a time, so that no other byte is sent.
public protocol FileCheck: AnyObject, Sendable {
  /// Of the whole file.
  var size: Int { get }
  /// Of a block; the file's last one may be shorter.
  var blockBytes: Int { get }
  /// Whether `isSound` can tell.
  var isPrepared: Bool { get }

  /// Gets ready. For threads that may wait for the disk. Throws when the file is not what it has to be, or cannot be
  /// read.
  func prepare() throws

  /// Whether these whole blocks, from `offset` on, are right.
  func isSound(_ blocks: UnsafeRawBufferPointer, at offset: Int) -> Bool

  /// Blocks were wrong, and when they were read from the device again as well: tells whoever has to know, and what to
  /// answer. For threads that may wait.
  func foundWrong(at offset: Int) -> any Error

  /// Has the next reads come from the device.
  func dropCache()
}

/// Reads bytes of a slice as they may be sent: whole blocks are read and looked at, around the bytes that are wanted.
enum CheckedRead {
  enum Outcome {
    /// Where in the buffer the wanted bytes lie.
    case bytes(Range<Int>)
    /// To be read on a thread that may wait: not in the page cache, or not right.
    case cold
    case failed(CInt)
    /// The file has ended.
    case end
    /// Not right, though it was read on such a thread.
    case wrong
  }

  typealias Read = (UnsafeMutableRawBufferPointer, Int) -> FileRead.Outcome

  /// Up to `count` bytes of `slice` from `position` on; fewer when the buffer, or what is there, ends.
  static func bytes(
    of slice: FileSlice, at position: Int, atMost count: Int, into buffer: UnsafeMutableRawBufferPointer,
    isPatient: Bool, by read: Read
  ) -> Outcome {
    guard let check = slice.check else {
      return switch read(UnsafeMutableRawBufferPointer(rebasing: buffer[..<min(buffer.count, count)]), position) {
      case .bytes(0): .end
      case .bytes(let got): .bytes(0..<got)
      case .cold: .cold
      case .failed(let errno): .failed(errno)
      }
    }
    guard check.isPrepared else { return .cold }
    let block = check.blockBytes
    let lead = position % block
    let first = position - lead
    // To the end of the last wanted block, as far as whole blocks fit.
    let wanted = min((lead + count + block - 1) / block * block, buffer.count / block * block, check.size - first)
    switch read(UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted]), first) {
    case .bytes(0): return .end
    case .bytes(let got):
      let whole = first + got == check.size ? got : got / block * block
      guard whole > lead else { return isPatient ? .end : .cold }
      guard check.isSound(UnsafeRawBufferPointer(rebasing: buffer[..<whole]), at: first) else {
        return isPatient ? .wrong : .cold
      }
      return .bytes(lead..<min(whole, lead + count))
    case .cold: return .cold
    case .failed(let errno): return .failed(errno)
    }
  }
}
