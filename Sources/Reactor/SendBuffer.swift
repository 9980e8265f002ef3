internal import CLinux
internal import Glibc

/// Bytes on their way to a socket, gathered so that one call sends many records. Its memory is borrowed from the loop
/// while there is something in it: idle connections hold none. Confined to its loop's thread.
public final class SendBuffer {
  /// How a flush ended.
  public enum Outcome: Sendable {
    case done
    /// The socket is full: wait until it is writable, then flush again.
    case blocked
    /// The connection is broken; the call's errno.
    case failed(CInt)
  }

  /// A flush is worth its system call from here on.
  public static let highWater = 262_144
  /// Room that is left beyond `highWater` for what must not be split.
  static let slack = 32_768

  private unowned let loop: EventLoop
  private var memory: UnsafeMutableRawPointer?
  private var first = 0
  private var end = 0

  public init(loop: EventLoop) { self.loop = loop }

  deinit {
    if let memory { loop.sendBuffers.give(back: memory) }
  }

  /// Bytes waiting.
  public var count: Int { end - first }

  public var isFull: Bool { end >= Self.highWater }

  /// Where the next bytes go, at least `slack` of them unless `isFull`; `commit` tells how many were put there.
  public func room() -> UnsafeMutableRawBufferPointer {
    let base = memory ?? loop.sendBuffers.take()
    memory = base
    return UnsafeMutableRawBufferPointer(start: base + end, count: Self.highWater + Self.slack - end)
  }

  public func commit(_ count: Int) {
    precondition(end + count <= Self.highWater + Self.slack, "more was written than there was room for")
    end += count
  }

  /// Copies as much as there is room for; returns how much.
  public func append(_ bytes: UnsafeRawBufferPointer) -> Int {
    let room = room()
    let count = min(room.count, bytes.count)
    room.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[..<count]))
    end += count
    return count
  }

  /// Sends what is there.
  public func flush(to descriptor: CInt) -> Outcome {
    while let memory, first < end {
      let sent = clinux_send(descriptor, memory + first, end - first)
      if sent < 0 {
        let reason = clinux_errno()
        if reason == EINTR { continue }
        return reason == EAGAIN ? .blocked : .failed(reason)
      }
      first += sent
    }
    discard()
    return .done
  }

  /// Forgets everything and gives the memory back.
  public func discard() {
    first = 0
    end = 0
    if let memory { loop.sendBuffers.give(back: memory) }
    memory = nil
  }
}

/// Memory for send buffers, a few blocks kept for the next borrower: the one just used is still in the CPU's cache.
struct SendBufferPool: ~Copyable {
  private static let keptMax = 16
  private var kept: [UnsafeMutableRawPointer] = []

  mutating func take() -> UnsafeMutableRawPointer {
    kept.popLast() ?? .allocate(byteCount: SendBuffer.highWater + SendBuffer.slack, alignment: 4096)
  }

  mutating func give(back memory: UnsafeMutableRawPointer) {
    if kept.count < Self.keptMax { kept.append(memory) } else { memory.deallocate() }
  }

  deinit {
    for memory in kept { memory.deallocate() }
  }
}
