import Glibc
import Reactor
import Synchronization
import Testing

/// Runs `body` on a loop of its own.
func onLoop<R: Sendable>(
  _ body: @escaping @Sendable (EventLoop) async throws -> R
) async throws -> R {
  let group = try EventLoopGroup(loops: 1)
  let result = try await withThrowingTaskGroup(of: R.self) { tasks in
    tasks.addTask(executorPreference: group.loops[0]) { try await body(group.loops[0]) }
    return try await tasks.next()!
  }
  group.shutdown()
  return result
}

func connectedPair() -> (a: CInt, b: CInt) {
  var ends: [CInt] = [0, 0]
  socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_NONBLOCK.rawValue), 0, &ends)
  return (ends[0], ends[1])
}

func put(_ fd: CInt, _ byte: UInt8 = 1) {
  var byte = byte
  write(fd, &byte, 1)
}

@Suite(.timeLimit(.minutes(1)))
struct EventLoopTests {
  @Test func tasksAndTheirChildrenStayOnTheirLoop() async throws {
    let isAtHome = try await onLoop { loop in
      let before = EventLoop.current === loop
      await Task.yield()
      try await IO.sleep(.milliseconds(2))
      async let child = EventLoop.current === loop
      let grandchild = await withTaskGroup(of: Bool.self) { group in
        group.addTask { EventLoop.current === loop }
        return await group.next()!
      }
      let inChild = await child
      return before && inChild && grandchild && EventLoop.current === loop
    }
    #expect(isAtHome)
    #expect(EventLoop.current == nil)
  }

  @Test func sleepsAreOrderedByTheirLength() async throws {
    let order = try await onLoop { _ in
      try await withThrowingTaskGroup(of: Int.self) { group in
        for length in [40, 5, 20, 60, 10] {
          group.addTask {
            try await IO.sleep(.milliseconds(length))
            return length
          }
        }
        var order: [Int] = []
        for try await length in group { order.append(length) }
        return order
      }
    }
    #expect(order == [5, 10, 20, 40, 60])
  }

  @Test(arguments: [true, false])
  func waitsForDescriptors(isOnLoop: Bool) async throws {
    @Sendable func waits() async throws -> [UInt8] {
      let (a, b) = connectedPair()
      defer {
        close(a)
        close(b)
      }
      try await IO.wait(a, for: .write, timeout: .seconds(10))
      var seen: [UInt8] = []
      for round in UInt8(1)...3 {
        async let readable: Void = IO.wait(a, for: .read, timeout: .seconds(10))
        try await IO.sleep(.milliseconds(2))
        put(b, round)
        try await readable
        var byte: UInt8 = 0
        read(a, &byte, 1)
        seen.append(byte)
      }
      return seen
    }
    let seen = isOnLoop ? try await onLoop { _ in try await waits() } : try await waits()
    #expect(seen == [1, 2, 3])
  }

  @Test func aWaitEndsAtItsDeadlineAndOnCancellation() async throws {
    let (a, b) = connectedPair()
    defer {
      close(a)
      close(b)
    }
    await #expect { try await IO.wait(a, for: .read, timeout: .milliseconds(10)) } throws: {
      if case ReactorError.timedOut = $0 { true } else { false }
    }
    let outcome = await withTaskGroup(of: ReactorError?.self) { group in
      group.addTask {
        do throws(ReactorError) {
          try await IO.wait(a, for: .read, timeout: .seconds(50))
          return nil
        } catch {
          return error
        }
      }
      try? await IO.sleep(.milliseconds(5))
      group.cancelAll()
      return await group.next()!
    }
    #expect(outcome == .cancelled)
    await #expect(throws: ReactorError.self) { try await IO.wait(-1, for: .read, timeout: .milliseconds(5)) }
    await #expect(throws: ReactorError.self) { try await IO.wait(9999, for: .read, timeout: .seconds(5)) }
  }

  @Test func severalWaitOnOneDescriptor() async throws {
    try await onLoop { _ in
      let (a, b) = connectedPair()
      defer {
        close(a)
        close(b)
      }
      try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<3 { group.addTask { try await IO.wait(a, for: .read, timeout: .seconds(10)) } }
        group.addTask { try await IO.wait(a, for: .write, timeout: .seconds(10)) }
        try await IO.sleep(.milliseconds(5))
        put(b)
        try await group.waitForAll()
      }
    }
  }

  @Test func aDescriptorThatCameBackIsWatchedAfresh() async throws {
    try await onLoop { _ in
      for _ in 0..<50 {
        let (a, b) = connectedPair()
        put(b)
        try await IO.wait(a, for: .read, timeout: .seconds(10))
        close(a)
        close(b)
      }
    }
  }

  @Test func channelsWaitTimeOutAndEnd() async throws {
    try await onLoop { loop in
      let (a, b) = connectedPair()
      let channel = try Channel(descriptor: a, loop: loop)
      try await channel.readable(until: .after(.seconds(5)), "stale readiness")
      await #expect(throws: ReactorError.timedOut("bytes")) {
        try await channel.readable(until: .after(.milliseconds(10)), "bytes")
      }
      async let readable: Void = channel.readable(until: .after(.seconds(10)), "bytes")
      await Task.yield()
      put(b)
      try await readable
      var byte: UInt8 = 0
      read(a, &byte, 1)
      await withTaskGroup(of: Void.self) { group in
        group.addTask {
          await #expect(throws: ReactorError.cancelled) {
            try await channel.readable(until: .after(.seconds(10)), "bytes")
          }
        }
        await Task.yield()
        await Task.yield()
        channel.close()
      }
      await #expect(throws: ReactorError.cancelled) {
        try await channel.writable(until: .after(.seconds(1)), "closed")
      }
      close(b)
    }
  }

  @Test func aCancelledTaskLeavesTheChannelToTheNext() async throws {
    try await onLoop { loop in
      let (a, b) = connectedPair()
      let channel = try Channel(descriptor: a, loop: loop)
      try await channel.readable(until: .after(.seconds(5)), "stale readiness")
      await withTaskGroup(of: Void.self) { group in
        group.addTask {
          await #expect(throws: ReactorError.cancelled) {
            try await channel.readable(until: .after(.seconds(50)), "bytes")
          }
        }
        await Task.yield()
        group.cancelAll()
      }
      put(b)
      try await channel.readable(until: .after(.seconds(10)), "bytes")
      channel.close()
      close(b)
    }
  }

  @Test func aWaitUntilClosedEndsAsTheOthersDo() async throws {
    try await onLoop { loop in
      let (a, b) = connectedPair()
      let channel = try Channel(descriptor: a, loop: loop)
      try await channel.readableUntilClosed(.after(.seconds(5)), "stale readiness")
      await #expect(throws: ReactorError.timedOut("bytes")) {
        try await channel.readableUntilClosed(.after(.milliseconds(10)), "bytes")
      }
      put(b)
      try await channel.readableUntilClosed(.after(.seconds(10)), "bytes")
      let waiter = Task(executorPreference: loop) {
        try await withTaskCancellationHandler {
          try await channel.readableUntilClosed(.after(.seconds(50)), "bytes")
        } onCancel: {
          channel.cancel()
        }
      }
      await Task.yield()
      waiter.cancel()
      await #expect(throws: ReactorError.cancelled) { try await waiter.value }
      #expect(channel.isClosed)
      close(b)
    }
  }

  @Test func timeoutsCancelTheirBody() async throws {
    await #expect(throws: ReactorError.timedOut("a nap")) {
      try await withTimeout(.milliseconds(10), "a nap") { try await IO.sleep(.seconds(100)) }
    }
    #expect(try await withTimeout(.seconds(10), "quick") { 7 } == 7)
    await #expect(throws: ReactorError.overloaded("x")) {
      try await withTimeout(.seconds(10), "failing") { throw ReactorError.overloaded("x") }
    }
  }

  @Test func addressesAreParsed() {
    #expect(SocketAddress.parse("127.0.0.1:80")?.description == "127.0.0.1:80")
    #expect(SocketAddress.parse("[::1]:8010")?.host == "::1")
    #expect(SocketAddress.parse("[::1]:8010")?.description == "[::1]:8010")
    #expect(SocketAddress.parse(":80")?.host == "0.0.0.0")
    for wrong in ["", "80", "localhost:80", "1.2.3:80", "::1:80", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:"] {
      #expect(SocketAddress.parse(wrong) == nil, "\(wrong)")
    }
  }
}
