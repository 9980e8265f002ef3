internal import Glibc
internal import Reactor
internal import TLS

/// The bytes of one connection, encrypted or not: non-blocking steps and the waits between them. What is put is
/// gathered and leaves with `flush`. Confined to its loop's thread.
final class ConnectionStream {
  enum Received {
    case bytes(Int)
    /// Nothing there yet.
    case blocked
    /// The peer sends no more.
    case end
    case failed(String)
  }

  let channel: Channel
  let output: SendBuffer
  let tls: TLSConnection?
  private let server: HTTPServer
  private var isPlainDrained = false
  private var receiving = Progress()
  private var sending = Progress()

  init(channel: Channel, tls: TLSConnection?, output: SendBuffer, server: HTTPServer) {
    self.channel = channel
    self.tls = tls
    self.output = output
    self.server = server
  }

  var loop: EventLoop { channel.loop }
  /// Not held: there are many connections.
  private var limits: HTTPLimits { server.configuration.limits }

  func handshake() async throws(ConnectionEnd) {
    guard let tls else { return }
    let deadline = Deadline.after(limits.handshakeTimeout)
    while true {
      // Nobody's request shall wait for more than one of these.
      await loop.takeTurn()
      guard !channel.isClosed else { throw .stopped }
      switch tls.handshake() {
      case .done:
        try await flush(.handshake, until: deadline)
        return
      case .wantsRead: try await waitToReceive(.handshake, until: deadline)
      case .wantsWrite: try await flush(.handshake, until: deadline)
      case .closed: throw .gone("closed during the TLS handshake")
      case .failed(let error):
        // The alert that tells the peer why.
        _ = send()
        throw .gone(error.description)
      }
    }
  }

  func receive(into buffer: UnsafeMutableRawBufferPointer) -> Received {
    guard !channel.isClosed else { return .failed("closed") }
    guard let tls else { return receivePlain(into: buffer) }
    let (step, count) = tls.read(into: buffer)
    switch step {
    case .done: return .bytes(count)
    case .wantsRead, .wantsWrite: return .blocked
    case .closed: return .end
    case .failed(let error): return .failed(error.description)
    }
  }

  /// Whether the next `receive` would surely be blocked: saves asking the socket.
  var isSurelyBlocked: Bool {
    (tls?.isDrained ?? isPlainDrained) && !channel.mayBeReadable
  }

  /// A wait is over: only the socket itself can tell again that it has nothing, not what was decrypted from before.
  private func noteWoken() {
    tls?.noteReadable()
    isPlainDrained = false
  }

  private func receivePlain(into buffer: UnsafeMutableRawBufferPointer) -> Received {
    while true {
      let count = channel.receive(into: buffer)
      isPlainDrained = count < buffer.count
      if count > 0 { return .bytes(count) }
      if count == 0 { return .end }
      switch -count {
      case Int(EINTR): continue
      case Int(EAGAIN): return .blocked
      case let reason: return .failed(ReactorError.system(call: "recv", errno: CInt(reason)).description)
      }
    }
  }

  /// Takes as many bytes as there is room for; fewer than offered means: flush first.
  func put(_ bytes: UnsafeRawBufferPointer) throws(ConnectionEnd) -> Int {
    guard let tls else {
      let count = min(bytes.count, output.pieceMax)
      return output.isFull ? 0 : output.append(UnsafeRawBufferPointer(rebasing: bytes[..<count]))
    }
    do { return try tls.write(bytes) } catch { throw .gone(error.description) }
  }

  /// A new request: its body and its answer are paced from zero.
  func restartPace() {
    receiving = Progress()
    sending = Progress()
  }

  /// Waits for something to receive, having sent what is gathered: the peer may be waiting for it.
  func waitToReceive(_ wait: PeerWait, until deadline: Deadline) async throws(ConnectionEnd) {
    try await flush(wait, until: deadline)
    do { try await channel.readable(until: deadline, wait.text) } catch { throw ConnectionEnd(error, waitingFor: wait) }
    noteWoken()
  }

  /// The same between requests, for the connection's own task: its cancellation closes the channel.
  func waitForHead(
    _ wait: PeerWait, until deadline: Deadline, reader: (any ChannelReader)? = nil
  ) async throws(ConnectionEnd) {
    if output.count > 0 { try await flush(wait, until: deadline) }
    do { try await channel.readableUntilClosed(deadline, wait.text, reader: reader) } catch {
      throw ConnectionEnd(error, waitingFor: wait)
    }
    noteWoken()
  }

  /// The same for a body, which must keep its pace.
  func waitForBody(receivedSinceLast count: Int) async throws(ConnectionEnd) {
    let start = Deadline.now
    try await waitToReceive(.body, until: .after(limits.bodyIdleTimeout))
    guard receiving.add(bytes: count, waited: Deadline.now.since(start), within: limits) else {
      throw .tooSlow(.body)
    }
  }

  /// Sends everything gathered. Each wait may take `bodyIdleTimeout`, all together until `deadline`; the pace is kept.
  func flush(_ wait: PeerWait = .answer, until deadline: Deadline = .never) async throws(ConnectionEnd) {
    while true {
      let before = output.count
      switch send() {
      case .done: return
      case .failed(let errno): throw .gone(ReactorError.system(call: "send", errno: errno).description)
      case .blocked:
        let start = Deadline.now
        let limit = min(deadline, .after(limits.bodyIdleTimeout))
        do { try await channel.writable(until: limit, wait.text) } catch {
          throw ConnectionEnd(error, waitingFor: wait)
        }
        guard sending.add(bytes: before - output.count, waited: Deadline.now.since(start), within: limits) else {
          throw .tooSlow(.answer)
        }
      }
    }
  }

  /// Takes every byte, however long they are.
  func write(_ bytes: [UInt8]) async throws(ConnectionEnd) {
    var offset = 0
    while offset < bytes.count {
      offset += try putSome(bytes, from: offset)
      if offset < bytes.count { try await flush() }
    }
  }

  func putSome(_ bytes: [UInt8], from offset: Int) throws(ConnectionEnd) -> Int {
    let outcome: Result<Int, ConnectionEnd> = bytes.withUnsafeBytes { all in
      do throws(ConnectionEnd) {
        return .success(try put(UnsafeRawBufferPointer(rebasing: all[offset...])))
      } catch {
        return .failure(error)
      }
    }
    return try outcome.get()
  }

  /// Says goodbye in order: close_notify, then the end of our side.
  func finish() {
    guard !channel.isClosed else { return }
    tls?.close()
    _ = send()
    channel.finishWriting()
  }

  /// Sends what is gathered. Never on a channel that was closed meanwhile: its descriptor's number may be another's.
  func send() -> SendBuffer.Outcome {
    channel.isClosed ? .failed(EBADF) : output.flush(to: channel.descriptor)
  }
}
