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
  /// The same while memory is tight.
  static let tightWater = 8192
  /// Room that is left beyond `highWater` for what must not be split.
  static let slack = 32_768

  private let loop: EventLoop
  private var memory: UnsafeMutableRawPointer?
  /// The memory is our own, exactly as large as what was left when the socket was full.
  private var isShrunk = false
  private var first = 0
  private var end = 0

  public init(loop: EventLoop) { self.loop = loop }

  deinit { release() }

  /// Bytes waiting.
  public var count: Int { end - first }

  /// Memory that this buffer keeps others from using.
  var heldBytes: Int { memory == nil ? 0 : isShrunk ? end : Self.highWater + Self.slack }

  public var isFull: Bool { end >= limit }

  /// Where gathering stops: much less while many clients of the loop don't take what they asked for.
  private var limit: Int { loop.sendBuffers.isTight ? Self.tightWater : Self.highWater }

  /// Most bytes that should be put at once.
  public var pieceMax: Int { loop.sendBuffers.isTight ? Self.tightWater : Self.highWater }

  /// Where the next bytes go, at least `slack` of them unless `isFull`; `commit` tells how many were put there.
  public func room() -> UnsafeMutableRawBufferPointer {
    if isShrunk { grow() }
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
        guard reason == EAGAIN else { return .failed(reason) }
        if loop.sendBuffers.isTight { shrink() }
        return .blocked
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
    release()
  }

  private func release() {
    guard let memory else { return }
    if isShrunk { memory.deallocate() } else { loop.sendBuffers.give(back: memory) }
    self.memory = nil
    isShrunk = false
  }

  /// Keeps no more memory than what waits needs.
  private func shrink() {
    guard let block = memory, !isShrunk, first < end else { return }
    let rest = UnsafeMutableRawPointer.allocate(byteCount: count, alignment: 16)
    rest.copyMemory(from: block + first, byteCount: count)
    loop.sendBuffers.give(back: block)
    move(to: rest)
    isShrunk = true
  }

  private func grow() {
    guard let rest = memory else { return }
    let block = loop.sendBuffers.take()
    block.copyMemory(from: rest + first, byteCount: count)
    rest.deallocate()
    move(to: block)
    isShrunk = false
  }

  private func move(to other: UnsafeMutableRawPointer) {
    (first, end) = (0, count)
    memory = other
  }
}

/// Memory for send buffers, a few blocks kept for the next borrower: the one just used is still in the CPU's cache.
struct SendBufferPool: ~Copyable {
  private static let keptMax = 16
  /// From so many lent blocks on (18 MiB a loop) those who wait keep only what they have left.
  private static let lentMax = 64
  private var kept: [UnsafeMutableRawPointer] = []
  private var lent = 0

  var isTight: Bool { lent > Self.lentMax }

  mutating func take() -> UnsafeMutableRawPointer {
    lent += 1
    return kept.popLast() ?? .allocate(byteCount: SendBuffer.highWater + SendBuffer.slack, alignment: 4096)
  }

  mutating func give(back memory: UnsafeMutableRawPointer) {
    lent -= 1
    if kept.count < Self.keptMax { kept.append(memory) } else { memory.deallocate() }
  }

  deinit {
    for memory in kept { memory.deallocate() }
  }
}
