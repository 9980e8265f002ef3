import Core
import Crypto
import Glibc
import Reactor
import TLS

/// The server's side of one connection: answers each 8-byte number with so many bytes, until the client ends.
struct TestServer: Sendable {
  struct Seen: Sendable {
    var identity: PeerIdentity?
    var spki: Checksum?
    var exported: [UInt8]?
    var isResumed = false
    var isStillTrusted: Bool?
    var failure: String?
  }

  let loops: EventLoopGroup
  let context: TLSServerContext
  var loop = 0
  static let pattern = [UInt8]((0..<65_536).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 8) })

  /// Two ends of a connection inside the process.
  static func pair() -> (client: CInt, server: CInt) {
    var ends: [CInt] = [0, 0]
    socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0, &ends)
    _ = fcntl(ends[1], F_SETFL, O_NONBLOCK)
    return (ends[0], ends[1])
  }

  func serve(_ descriptor: CInt) async -> Seen {
    await withTaskGroup(of: Seen.self) { group in
      group.addTask(executorPreference: loops.loops[loop]) { await onLoop(descriptor) }
      return await group.next() ?? Seen()
    }
  }

  private func onLoop(_ descriptor: CInt) async -> Seen {
    var seen = Seen()
    do {
      let loop = loops.loops[loop]
      let channel = try Channel(descriptor: descriptor, loop: loop)
      defer { channel.close() }
      let output = SendBuffer(loop: loop)
      let tls = try TLSAcceptor(context).connection(descriptor: descriptor, output: output)
      try await repeating(channel, output) { tls.handshake() }
      let peer = tls.peer()
      seen.identity = peer?.identity
      seen.spki = peer?.spkiHash
      seen.exported = tls.exportKeyingMaterial(label: "EXPORTER-test", count: 32)
      seen.isResumed = tls.isResumed
      seen.isStillTrusted = tls.isStillTrusted
      while let wanted = try await read8(tls, channel, output) {
        var sent = 0
        while sent < wanted {
          let offset = sent % Self.pattern.count
          let count = min(wanted - sent, Self.pattern.count - offset)
          sent += try Self.pattern.withUnsafeBytes {
            try tls.write(UnsafeRawBufferPointer(rebasing: $0[offset..<(offset + count)]))
          }
          if output.isFull { try await flush(channel, output) }
        }
        try await flush(channel, output)
      }
      tls.close()
      // The client may be gone already: its goodbye came first.
      _ = output.flush(to: descriptor)
    } catch {
      seen.failure = "\(error)"
    }
    return seen
  }

  /// One connection that outlives reloads: whether its client is still trusted after each.
  func verdicts(_ descriptor: CInt, after configurations: [TLSServerConfiguration]) async -> [Bool] {
    await withTaskGroup(of: [Bool].self) { group in
      group.addTask(executorPreference: loops.loops[loop]) {
        do {
          let channel = try Channel(descriptor: descriptor, loop: loops.loops[loop])
          defer { channel.close() }
          let output = SendBuffer(loop: channel.loop)
          let acceptor = try TLSAcceptor(context)
          let tls = try acceptor.connection(descriptor: descriptor, output: output)
          try await repeating(channel, output) { tls.handshake() }
          var verdicts: [Bool] = []
          for configuration in configurations {
            guard !acceptor.isOutdated(tls) else { return [] }
            try context.reload(configuration)
            guard acceptor.isOutdated(tls) else { return [] }
            verdicts.append(try acceptor.verifyAgain(tls))
          }
          _ = try Self.pattern.withUnsafeBytes { try tls.write(UnsafeRawBufferPointer(rebasing: $0[..<1])) }
          try await flush(channel, output)
          return verdicts
        } catch {
          return []
        }
      }
      return await group.next() ?? []
    }
  }

  /// Connections one after the other with one acceptor, as a loop has them, until one is refused or there were `count`:
  /// whether each handshake was done. Who is let in gets a byte.
  func visits(atMost count: Int, _ client: @escaping @Sendable (CInt) async -> Void) async -> [Bool] {
    await withTaskGroup(of: [Bool].self) { group in
      group.addTask(executorPreference: loops.loops[loop]) {
        var done: [Bool] = []
        guard let acceptor = try? TLSAcceptor(context) else { return done }  // nothing done: the test fails
        while done.count < count, done.last != false {
          let ends = Self.pair()
          async let visit: Void = client(ends.client)
          do {
            let channel = try Channel(descriptor: ends.server, loop: loops.loops[loop])
            defer { channel.close() }
            let output = SendBuffer(loop: channel.loop)
            let tls = try acceptor.connection(descriptor: ends.server, output: output)
            try await repeating(channel, output) { tls.handshake() }
            _ = try Self.pattern.withUnsafeBytes { try tls.write(UnsafeRawBufferPointer(rebasing: $0[..<1])) }
            try await flush(channel, output)
            done.append(true)
          } catch {
            done.append(false)
          }
          await visit
        }
        return done
      }
      return await group.next() ?? []
    }
  }

  private func flush(_ channel: Channel, _ output: SendBuffer) async throws {
    while true {
      switch output.flush(to: channel.descriptor) {
      case .done: return
      case .blocked: try await channel.writable(until: .after(.seconds(10)), "test")
      case .failed(let errno): throw ReactorError.system(call: "send", errno: errno)
      }
    }
  }

  private func repeating(_ channel: Channel, _ output: SendBuffer, _ step: () -> TLSConnection.Step) async throws {
    while true {
      let next = step()
      if case .failed(let error) = next {
        _ = output.flush(to: channel.descriptor)
        throw error
      }
      try await flush(channel, output)
      switch next {
      case .done: return
      case .wantsRead: try await channel.readable(until: .after(.seconds(10)), "test")
      case .wantsWrite: continue
      case .closed, .failed: throw ReactorError.cancelled
      }
    }
  }

  private func read8(_ tls: TLSConnection, _ channel: Channel, _ output: SendBuffer) async throws -> Int? {
    var bytes: [UInt8] = []
    while bytes.count < 8 {
      var piece = [UInt8](repeating: 0, count: 8 - bytes.count)
      let (step, count) = piece.withUnsafeMutableBytes { tls.read(into: $0) }
      switch step {
      case .done: bytes += piece[..<count]
      case .wantsRead, .wantsWrite: try await channel.readable(until: .after(.seconds(10)), "test")
      case .closed: return nil
      case .failed(let error): throw error
      }
    }
    return bytes.reduce(0) { $0 << 8 | Int($1) }
  }
}
