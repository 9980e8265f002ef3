internal import Glibc
internal import Synchronization

/// Lines to a file descriptor (standard error of a daemon: systemd and Kubernetes keep it). A reader that does not read
/// must not stop the program: while the pipe is full lines are dropped, and the next one that fits is preceded by one
/// that says how many.
public final class DescriptorSink: LogSink {
  private struct State {
    var dropped = 0
    var untold = 0
    /// The last line could only be written in part.
    var isCut = false
  }

  /// A pipe that is ready takes this much without blocking (PIPE_BUF).
  private static let pieceBytesMax = 4096
  /// How long the rest of a line that was begun may wait for the reader.
  private static let patienceMilliseconds: CInt = 20

  private let descriptor: CInt
  private let state = Mutex(State())

  /// Does not close the descriptor.
  public init(descriptor: CInt) { self.descriptor = descriptor }

  public static func standardError() -> DescriptorSink { DescriptorSink(descriptor: STDERR_FILENO) }

  /// Lines lost so far because nobody read.
  public var dropped: Int { state.withLock { $0.dropped } }

  public func write(_ line: [UInt8]) {
    state.withLock { state in
      var text = line
      if state.untold > 0 {
        let notice = #"{"level":"warning","event":"log lines were dropped: nobody read","count":\#(state.untold)}"#
        text = Array((notice + "\n").utf8) + text
      }
      if state.isCut { text.insert(UInt8(ascii: "\n"), at: 0) }
      let written = send(text)
      if written == text.count {
        state.untold = 0
        state.isCut = false
      } else {
        state.dropped += 1
        state.untold += 1
        if written > 0 { state.isCut = true }
      }
    }
  }

  /// How many bytes went out.
  private func send(_ text: [UInt8]) -> Int {
    var position = 0
    while position < text.count {
      var poller = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
      let ready = poll(&poller, 1, position == 0 ? 0 : Self.patienceMilliseconds)
      guard ready == 1, CInt(poller.revents) & POLLOUT != 0 else { return position }
      let end = min(position + Self.pieceBytesMax, text.count)
      let count = text[position..<end].withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if count > 0 {
        position += count
      } else if errno != EINTR {
        return position
      }
    }
    return position
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
