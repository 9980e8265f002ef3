internal import Glibc
internal import Synchronization

/// Lines to a file descriptor (standard error of a daemon: systemd and Kubernetes keep it). A reader that does not
/// read must
/// not stop the program: the descriptor's pipe being full drops lines, and the next line that fits says how many.
public final class DescriptorSink: LogSink {
  private let descriptor: CInt
  private let droppedLines = Mutex<Int>(0)

  public init(descriptor: CInt) { self.descriptor = descriptor }

  public static func standardError() -> DescriptorSink { DescriptorSink(descriptor: STDERR_FILENO) }

  /// Lines lost so far because nobody read.
  public var dropped: Int { droppedLines.withLock { $0 } }

  public func write(_ line: [UInt8]) {
    droppedLines.withLock { dropped in
      var poller = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
      guard poll(&poller, 1, 0) == 1, Int32(poller.revents) & POLLOUT != 0 else {
        dropped += 1
        return
      }
      var position = 0
      while position < line.count {
        let written = line.withUnsafeBytes { bytes in
          Glibc.write(descriptor, bytes.baseAddress! + position, line.count - position)  // in bounds: position < count
        }
        if written > 0 {
          position += written
        } else if errno != EINTR {
          dropped += 1
          return
        }
      }
    }
  }
}

/// Keeps the newest lines in memory: for tests.
public final class MemorySink: LogSink {
  private let lines = Mutex<[String]>([])
  private let limit: Int

  public init(limit: Int = 10_000) { self.limit = limit }

  public func write(_ line: [UInt8]) {
    lines.withLock { lines in
      lines.append(String(decoding: line, as: UTF8.self))
      if lines.count > limit { lines.removeFirst(lines.count - limit) }
    }
  }

  public var text: [String] { lines.withLock { $0 } }
}
