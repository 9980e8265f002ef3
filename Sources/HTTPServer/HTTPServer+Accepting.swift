internal import Reactor
internal import TLS
internal import Telemetry

extension HTTPServer {
  /// Takes connections until the listener is closed, then waits for those that are open.
  func accept(_ listener: Channel, _ context: LoopContext) async {
    let groups = (0..<Self.taskGroups).map { _ in ConnectionTasks() }
    await withDiscardingTaskGroup { group in
      for tasks in groups { group.addTask { await tasks.run { await self.run($0, context) } } }
      var next = 0
      func giveTask(to connection: HTTPConnection) {
        groups[next].add(connection)
        next = (next + 1) % groups.count
      }
      // Nobody parks once nobody gives tasks.
      defer {
        for connection in context.takeWoken() { giveTask(to: connection) }
        context.endParked()
        for tasks in groups { tasks.end() }
      }
      context.listener = listener
      var inARow = 0
      while !listener.isClosed {
        for connection in context.takeWoken() { giveTask(to: connection) }
        switch listener.accept() {
        case .connection(let descriptor, let remote):
          if let connection = admit(descriptor, remote, context) { giveTask(to: connection) }
          inARow += 1
          if inARow % Self.acceptedInARow == 0 { await Task.yield() }
        case .none:
          inARow = 0
          do { try await listener.readable(until: .never, "a connection") } catch { return }
        case .exhausted(let error):
          logger.warning("cannot accept connections", ["error": .error(error)])
          metrics.refusals.increment(configuration.name, "exhausted")
          // One that can go makes room; the pause lets it, and keeps this from spinning when none can.
          _ = context.evictOne(onlyHandshakes: false)
          do { try await IO.sleep(.milliseconds(50)) } catch { return }
        }
      }
    }
  }

  /// Decides by counting, before anything is spent on the connection.
  private func admit(_ descriptor: CInt, _ remote: SocketAddress, _ context: LoopContext) -> HTTPConnection? {
    let network = remote.network
    let refusal: Admission.Refusal? =
      switch admission.enter(network, now: context.loop.now) {
      case .connections? where context.evictOne(onlyHandshakes: false),
        .handshakes? where context.evictOne(onlyHandshakes: true):
        // The evicted one leaves at this loop's next turn: one above the limit until then.
        admission.enter(network, now: context.loop.now, beyondLimits: true)
      case let other: other
      }
    if let refusal {
      metrics.refusals.increment(configuration.name, refusal.rawValue)
      refuse(descriptor)
      return nil
    }
    do {
      let connection = try connection(descriptor, remote, context)
      // At once: the next one of the same burst may need its place.
      context.add(connection)
      metrics.connections.set(Double(admission.open), configuration.name)
      return connection
    } catch {
      if configuration.tls != nil { admission.handshakeEnded() }
      admission.leave(network)
      logger.error("cannot serve a connection", ["error": .error(error)])
      return nil
    }
  }

  /// A client that speaks TLS could not read an answer: it sees the connection end. Others get one that is made
  /// already.
  private func refuse(_ descriptor: CInt) {
    ListeningSocket.refuse(descriptor, saying: configuration.tls == nil ? Self.overloaded : [])
  }

  private static let overloaded: [UInt8] = {
    let body = #"{"error":{"code":"OVERLOADED","message":"too many connections; try again shortly"}}"#
    let head = """
      HTTP/1.1 503 Service Unavailable\r
      Content-Type: application/json\r
      Content-Length: \(body.utf8.count)\r
      Retry-After: 1\r
      Connection: close\r
      \r\n
      """
    return Array((head + body).utf8)
  }()

  private func connection(
    _ descriptor: CInt, _ remote: SocketAddress, _ context: LoopContext
  ) throws -> HTTPConnection {
    let channel = try Channel(descriptor: descriptor, loop: context.loop)
    let output = SendBuffer(loop: context.loop)
    do {
      let tls = try context.acceptor?.connection(descriptor: descriptor, output: output)
      let stream = ConnectionStream(channel: channel, tls: tls, output: output, server: self)
      return HTTPConnection(context: context, stream: stream, remote: remote)
    } catch {
      channel.close()
      throw error
    }
  }

  private func run(_ connection: HTTPConnection, _ context: LoopContext) async {
    await connection.serve()
    if !connection.isParked { ended(connection, context) }
  }

  /// Its socket is closed.
  func ended(_ connection: HTTPConnection, _ context: LoopContext) {
    context.remove(connection)
    admission.leave(connection.remote.network)
    metrics.connections.set(Double(admission.open), configuration.name)
  }
}
