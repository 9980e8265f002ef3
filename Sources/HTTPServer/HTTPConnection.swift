internal import Core
internal import Crypto
internal import HTTP
internal import Reactor
internal import TLS
internal import Telemetry

/// One connection from its first byte to its last: heads, handlers, answers, one request after the other.
final class HTTPConnection: @unchecked Sendable {  // confined to its loop's thread; handlers elsewhere hop there
  enum Phase {
    case handshake
    case idle
    /// A head has begun and is not whole.
    case head
    case busy
  }

  /// From here on a body is read in larger pieces.
  private static let longBodyBytes = 1 << 20

  let context: LoopContext
  let stream: ConnectionStream
  let remote: SocketAddress
  private(set) var origin: RequestOrigin
  private let logsAccess: Bool
  /// `limits.idleTimeout`: taken for every request.
  let idleNanoseconds: Int64
  private let stillNanoseconds: Int64
  private(set) var phase = Phase.handshake
  /// When the phase began.
  private var since: Deadline
  /// What the socket told while the connection's task slept, for the task to go on with.
  var handedOver: HandedOver?
  /// It has kept still for a while and has no task: the channel asks it, and `parkEnded` gets it a new one.
  private(set) var isParked = false
  /// Why somebody else closed it.
  private var fate: ConnectionEnd?
  /// Its place among the loop's connections.
  var place = 0
  /// Received and not used yet: `input[inputStart...]`.
  var input: [UInt8] = []
  var inputStart = 0
  var body = IncomingBody()
  /// Counts requests: a body that outlives its request must not read the next one's.
  private(set) var requestNumber = 0

  init(context: LoopContext, stream: ConnectionStream, remote: SocketAddress) {
    self.context = context
    self.stream = stream
    self.remote = remote
    origin = RequestOrigin(
      remote: remote, peer: nil, peerSPKI: nil, exporter: nil, proxies: context.server.configuration.trustedProxies,
      sampledShare: context.server.sampledShare)
    let limits = context.server.configuration.limits
    logsAccess = context.server.configuration.logsAccess && context.server.logger.level <= .info
    idleNanoseconds = limits.idleTimeout.wholeNanoseconds
    stillNanoseconds = limits.stillTimeout.wholeNanoseconds
    since = context.loop.now
  }

  var loop: EventLoop { context.loop }
  var server: HTTPServer { context.server }
  /// Not held: there are many connections.
  var limits: HTTPLimits { context.server.configuration.limits }

  /// The connection's whole life, or as much of it as needs a task. The socket is closed afterwards unless `isParked`.
  func serve() async {
    defer { if !isParked { stream.channel.close() } }
    // Said once for the connection's life, so that the wait before each request need not say it.
    await withTaskCancellationHandler {
      await serveRequests()
    } onCancel: {
      stream.channel.cancel()
    }
  }

  private func serveRequests() async {
    do throws(ConnectionEnd) {
      // Its place may have gone to another one of the same burst before it began.
      guard !stream.channel.isClosed else { throw .stopped }
      if phase == .handshake { try await shakeHands() }
      while let head = try await nextHead() {
        guard try await exchange(head), !context.isStopping else {
          await linger()
          return
        }
      }
      if !isParked { stream.finish() }
    } catch {
      await end(fate ?? error)
    }
  }

  private func shakeHands() async throws(ConnectionEnd) {
    guard let tls = stream.tls else { return }
    defer { server.admission.handshakeEnded() }
    do {
      try await stream.handshake()
    } catch {
      server.metrics.handshakes.increment(server.configuration.name, "failed")
      throw error
    }
    server.metrics.handshakes.increment(server.configuration.name, tls.isResumed ? "resumed" : "full")
    guard tls.isStillTrusted else { throw .untrusted }
    identifyPeer(tls)
  }

  /// How long nothing of worth has come of it: nil while a request is under way.
  func expendable(now: Deadline) -> Duration? { phase == .busy ? nil : now.since(since) }

  var isShakingHands: Bool { phase == .handshake }

  /// Gives its place to another connection.
  func evict() {
    fate = .evicted
    stop()
  }

  /// Ends the connection if it has been of use and no request is under way.
  func stopIfIdle() {
    if phase == .idle, requestNumber > 0 { stop() }
  }

  func stop() {
    if phase == .idle { stream.finish() }
    stream.channel.close()
  }

  private func identifyPeer(_ tls: TLSConnection) {
    let peer = tls.peer()
    origin = RequestOrigin(
      remote: remote, peer: peer?.identity, peerSPKI: peer?.spkiHash,
      exporter: { [unowned self] label, count in
        // OpenSSL's connection belongs to the loop; a handler that strayed off it gets nothing.
        EventLoop.current === loop ? stream.tls?.exportKeyingMaterial(label: label, count: count) : nil
      },
      proxies: server.configuration.trustedProxies, sampledShare: server.sampledShare)
  }

  private func end(_ reason: ConnectionEnd) async {
    server.metrics.refusals.increment(server.configuration.name, reason.reason)
    server.logger.debug(
      "connection ended", ["remote": .string(remote.description), "reason": .string(reason.description)])
    let answer: APIError
    switch reason {
    case .refused(let error): answer = error.apiError
    case .untrusted:
      answer = reason.apiError
    case .timedOut(.head):
      answer = APIError(.timeout, "the request's head came too slowly; send it again")
    case .timedOut(.answer), .tooSlow(.answer):
      stream.channel.abort()
      return
    default: return
    }
    do {
      let id = Identifier.text(context.nextIdentifier())
      try await sendFinal(.failure(answer, requestID: id))
      await linger()
    } catch {
      return
    }
  }

  /// Gives the peer time to read the answer: closing with unread bytes in the socket would make the kernel reset the
  /// connection and the answer with it (RFC 9112 §9.6).
  private func linger() async {
    phase = .busy
    stream.finish()
    if stream.channel.isClosed { return }
    let deadline = Deadline.after(limits.drainTimeout)
    var drained = 0
    while drained < limits.drainBytesMax * 4 {
      switch stream.channel.receive(into: loop.scratch) {
      case let count where count > 0: drained += count
      case 0: return
      default:
        do { try await stream.channel.readable(until: deadline, "the peer's end") } catch { return }
      }
    }
  }

  // MARK: heads

  private func nextHead() async throws(ConnectionEnd) -> RequestHead? {
    body = IncomingBody()
    var headDeadline: Deadline?
    while true {
      if let handedOver {
        self.handedOver = nil
        switch try await goOn(with: handedOver) {
        case .answer(let head):
          phase = .busy
          return head
        case .receive: break
        case .end: return nil
        }
      }
      if headDeadline == nil, inputStart < input.count {
        if let head = try parseInput() {
          phase = .busy
          return head
        }
        enter(.head)
        headDeadline = loop.now + limits.headTimeout
      }
      let scratch = UnsafeMutableRawBufferPointer(rebasing: loop.scratch[..<32_768])
      switch stream.isSurelyBlocked ? .blocked : stream.receive(into: scratch) {
      case .bytes(let count):
        if let head = try take(UnsafeRawBufferPointer(rebasing: scratch[..<count])) {
          phase = .busy
          return head
        }
        if headDeadline == nil {
          enter(.head)
          headDeadline = loop.now + limits.headTimeout
        }
      case .blocked:
        if let headDeadline {
          try await stream.waitForHead(.head, until: headDeadline)
        } else {
          guard try await keepStill() else { return nil }
        }
      case .end where headDeadline == nil: return nil
      case .end: throw .gone("closed in the middle of a head")
      case .failed(let why): if headDeadline == nil { return nil } else { throw .gone(why) }
      }
    }
  }

  /// Waits between two requests. False: the connection ends, or goes on without this task.
  private func keepStill() async throws(ConnectionEnd) -> Bool {
    // Bytes that make no head, like those of a TLS record in pieces, don't put its end off.
    if phase != .idle { enter(.idle) }
    if context.isStopping, requestNumber > 0 { return false }
    do {
      try await stream.waitForHead(.idle, until: stillDeadline, reader: self)
      return true
    } catch .timedOut where loop.now < idleDeadline {
      // What has not asked for anything yet may not stay when the server stops: its task sees to that.
      isParked =
        requestNumber > 0 && context.mayPark
        && stream.channel.park(until: idleDeadline, PeerWait.idle.text, reader: self)
      return !isParked
    } catch {
      server.metrics.refusals.increment(server.configuration.name, (fate ?? error).reason)
      return false
    }
  }

  private var idleDeadline: Deadline { since.after(nanoseconds: idleNanoseconds) }

  /// When the wait for the next request is to be looked at: a task that has had nothing to do for long is given up.
  var stillDeadline: Deadline {
    isParked || requestNumber == 0 || !context.mayPark
      ? idleDeadline : since.after(nanoseconds: min(stillNanoseconds, idleNanoseconds))
  }

  func parkEnded(_ failure: ReactorError?) {
    isParked = false
    guard let failure else { return context.wake(self) }
    let end = fate ?? ConnectionEnd(failure, waitingFor: .idle)
    server.metrics.refusals.increment(server.configuration.name, end.reason)
    stream.finish()
    stream.channel.close()
    server.ended(self, context)
  }

  private func enter(_ next: Phase) {
    phase = next
    since = loop.now
  }

  /// A head from bytes just received; nil when more are needed. Parses only when a line has ended: a client that sends
  /// byte by byte costs little.
  func take(_ received: UnsafeRawBufferPointer) throws(ConnectionEnd) -> RequestHead? {
    if input.isEmpty {
      let bytes = received.assumingMemoryBound(to: UInt8.self)
      if let head = try parse(bytes.span, keepingRest: false) { return head }
      input = Array(received)
      return nil
    }
    input.append(contentsOf: received)
    guard received.contains(0x0A) || input.count - inputStart >= limits.head.bytesMax else { return nil }
    return try parseInput()
  }

  private func parseInput() throws(ConnectionEnd) -> RequestHead? {
    let held = input
    return try parse(held.span.extracting(inputStart...), keepingRest: true)
  }

  private func parse(_ bytes: Span<UInt8>, keepingRest isInput: Bool) throws(ConnectionEnd) -> RequestHead? {
    let found: (head: RequestHead, consumed: Int)?
    do { found = try RequestHead.parse(bytes, limits: limits.head) } catch { throw .refused(error) }
    guard let (head, consumed) = found else { return nil }
    if isInput {
      inputStart += consumed
      if inputStart == input.count {
        input = []
        inputStart = 0
      }
    } else if consumed < bytes.count {
      input = bytes.extracting(consumed...).withUnsafeBufferPointer { Array($0) }
      inputStart = 0
    }
    return head
  }

  // MARK: one request

  /// A request has been answered while the connection's task slept.
  func noteAnswered() {
    since = loop.now
    requestNumber += 1
  }

  /// Answers one request; whether the connection goes on.
  private func exchange(_ head: RequestHead) async throws(ConnectionEnd) -> Bool {
    // When the loop took the head off the socket: what others of this turn took before it counts as well.
    let started = loop.now
    try verifyPeer()
    requestNumber += 1
    stream.restartPace()
    body = IncomingBody(head)
    let request = Request(head: head, body: requestBody(head), identifier: context.nextIdentifier(), from: origin)
    let isLong = (head.contentLength ?? 0) >= Self.longBodyBytes
    if isLong { stream.tls?.expectsMuch(true) }
    defer { if isLong { stream.tls?.expectsMuch(false) } }
    let handled = await server.router.handle(request)
    let sent: SentResponse
    do {
      sent = try await send(handled.response, to: handled.request)
    } catch {
      record(handled, handled.response.status, started, error)
      throw error
    }
    record(handled, sent.status, started, nil)
    guard sent.keepsConnection else { return false }
    if body.isOver { return true }
    return await drainBody()
  }

  /// Certificates and authorities change under connections that live for days: after a change the client is verified
  /// again before its next request.
  private func verifyPeer() throws(ConnectionEnd) {
    guard let tls = stream.tls, let acceptor = context.acceptor, acceptor.isOutdated(tls) else { return }
    do {
      guard try acceptor.verifyAgain(tls) else { throw ConnectionEnd.untrusted }
    } catch {
      throw .untrusted
    }
  }

  func record(
    _ handled: Router.Handled, _ status: HTTPStatus, _ started: Deadline, _ failure: ConnectionEnd?
  ) {
    let nanoseconds = Deadline.clock.nanoseconds - started.nanoseconds
    let request = handled.request
    context.figures.count(request.method, handled.route, status, nanoseconds: nanoseconds)
    if let spans = server.spans { note(handled, status, nanoseconds, failure, in: spans) }
    guard logsAccess || failure != nil else { return }
    server.logger.info(
      failure == nil ? "request" : "request cut off",
      [
        "request_id": .string(request.requestID), "method": .string(request.method.rawValue),
        "path": .string(request.path), "status": .integer(status.rawValue),
        "milliseconds": .milliseconds(.nanoseconds(nanoseconds)), "subject": .string(request.principal.subject),
        "trace_id": .string(request.trace.traceID), "remote": .string(remote.host),
        "failure": .string(failure?.description ?? ""),
      ])
  }

  private func requestBody(_ head: RequestHead) -> RequestBody {
    guard head.hasBody else { return .none }
    let number = requestNumber
    return RequestBody(declaredLength: head.isChunked ? nil : head.contentLength) { isAligned in
      try await self.nextPiece(ofRequest: number, isAligned: isAligned)
    }
  }
}
