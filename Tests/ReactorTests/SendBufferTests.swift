import Glibc
import Testing

@testable import Reactor

/// What clients that do not read can hold of our memory.
@Suite(.timeLimit(.minutes(1)))
struct SendBufferTests {
  /// A socket whose other end reads nothing, and its other end.
  private static func stuck() -> (mine: CInt, theirs: CInt) {
    var ends: [CInt] = [0, 0]
    socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0, &ends)
    for end in ends { _ = fcntl(end, F_SETFL, O_NONBLOCK) }
    return (ends[0], ends[1])
  }

  private static func onLoop(_ body: @escaping @Sendable (EventLoop) -> Void) async throws {
    let group = try EventLoopGroup(loops: 1)
    await withTaskGroup(of: Void.self) { tasks in
      tasks.addTask(executorPreference: group.loops[0]) { body(group.loops[0]) }
    }
    group.shutdown()
  }

  @Test func manyStuckClientsHoldOnlyWhatTheyWaitFor() async throws {
    try await Self.onLoop { loop in
      let pattern = [UInt8]((0..<SendBuffer.highWater).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 9) })
      var clients: [(ends: (mine: CInt, theirs: CInt), buffer: SendBuffer, put: Int)] = []
      for _ in 0..<200 {
        let buffer = SendBuffer(loop: loop)
        let ends = Self.stuck()
        var put = 0
        // Until the socket takes no more.
        while buffer.count == 0 {
          while !buffer.isFull {
            let count = min(buffer.pieceMax, 4096)
            let start = put % (pattern.count - count)
            put += pattern.withUnsafeBytes {
              buffer.append(UnsafeRawBufferPointer(rebasing: $0[start..<start + count]))
            }
          }
          _ = buffer.flush(to: ends.mine)
        }
        clients.append((ends, buffer, put))
      }
      let held = clients.suffix(100).reduce(0) { $0 + $1.buffer.heldBytes }
      #expect(held <= 100 * (SendBuffer.tightWater + SendBuffer.slack), "\(held) bytes are held for 100 clients")
      // Nothing is lost or changed: what comes out at the other end is what was put, also beyond what waited.
      for client in [clients[0], clients[150], clients[199]] {
        #expect(Self.drained(client.ends, client.buffer) == client.put)
      }
      for client in clients {
        close(client.ends.mine)
        close(client.ends.theirs)
      }
    }
  }

  /// Reads everything at the other end while flushing; how many bytes came.
  private static func drained(_ ends: (mine: CInt, theirs: CInt), _ buffer: SendBuffer) -> Int {
    var piece = [UInt8](repeating: 0, count: 65_536)
    var total = 0
    while true {
      let count = recv(ends.theirs, &piece, piece.count, 0)
      if count > 0 { total += count } else if buffer.count == 0 { return total }
      _ = buffer.flush(to: ends.mine)
    }
  }

  @Test func bytesSurviveShrinkingAndGrowing() async throws {
    try await Self.onLoop { loop in
      // Enough borrowers to make memory tight.
      let borrowers = (0..<100).map { _ in SendBuffer(loop: loop) }
      for borrower in borrowers { _ = [UInt8(1)].withUnsafeBytes { borrower.append($0) } }
      let buffer = SendBuffer(loop: loop)
      let ends = Self.stuck()
      var sent: [UInt8] = []
      func put(_ count: Int) {
        let bytes = (0..<count).map { _ in UInt8.random(in: 0...255) }
        #expect(bytes.withUnsafeBytes { buffer.append($0) } == count)
        sent += bytes
      }
      while buffer.count == 0 {
        put(8192)
        _ = buffer.flush(to: ends.mine)
      }
      #expect(buffer.heldBytes == buffer.count, "shrunk to what waits")
      put(1000)
      #expect(buffer.heldBytes > buffer.count, "grown again")
      var got: [UInt8] = []
      var piece = [UInt8](repeating: 0, count: 65_536)
      while got.count < sent.count {
        let count = recv(ends.theirs, &piece, piece.count, 0)
        if count > 0 { got += piece[..<count] }
        _ = buffer.flush(to: ends.mine)
      }
      #expect(got == sent)
      #expect(buffer.heldBytes == 0)
      close(ends.mine)
      close(ends.theirs)
    }
  }
}

@Suite struct SocketAddressNetworkTests {
  @Test func oneCustomerIsOneNetwork() throws {
    func network(_ host: String) throws -> UInt64 { try #require(SocketAddress(host: host, port: 1)).network }
    #expect(try network("10.0.0.1") != network("10.0.0.2"))
    #expect(try network("10.0.0.1") == network("::ffff:10.0.0.1"))
    #expect(try network("2001:db8:1:2::1") == network("2001:db8:1:2:ffff::9"))
    #expect(try network("2001:db8:1:2::1") != network("2001:db8:1:3::1"))
  }
}
