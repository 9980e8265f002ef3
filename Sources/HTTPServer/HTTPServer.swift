public import Core
internal import HTTP
public import Reactor
public import Service
internal import Synchronization
internal import TLS
public import Telemetry

/// Serves a router on one address: one listening socket and one accepting task a loop, each connection one child task
/// that stays on its loop.
public final class HTTPServer: Service {
  public let configuration: HTTPServerConfiguration
  let router: Router
  let logger: Logger
  let metrics: HTTPServerMetrics
  let time: any TimeSource
  let random: any RandomSource
  /// Reads what is not in the page cache.
  let files: BlockingPool
  private let loops: EventLoopGroup
  private let sockets = Mutex<[ListeningSocket]>([])
  private let connectionCount = Atomic<Int>(0)

  public init(
    _ configuration: HTTPServerConfiguration, router: Router, loops: EventLoopGroup, logger: Logger,
    metrics: HTTPServerMetrics, time: any TimeSource = SystemTime(), random: any RandomSource = SystemRandom()
  ) {
    self.configuration = configuration
    self.router = router
    self.loops = loops
    self.logger = logger.with(["server": .string(configuration.name)])
    self.metrics = metrics
    self.time = time
    self.random = random
    files = BlockingPool(
      name: "file reads of \(configuration.name)", threads: 4, queueLimit: configuration.limits.connectionsMax)
  }

  deinit {
    for socket in sockets.withLock({ $0 }) { socket.close() }
    files.shutdown()
  }

  public var name: String { "\(configuration.name) server" }

  /// Binds at once, so that a port in use is told at start and port 0 has its number. A second call tells the same
  /// address.
  @discardableResult
  public func bind() throws(ReactorError) -> SocketAddress {
    let bound: Result<SocketAddress, ReactorError> = sockets.withLock { sockets in
      if let first = sockets.first { return .success(first.address) }
      do throws(ReactorError) {
        var address = configuration.address
        // Shared sockets would join another process's on the same port without a word: an unshared one notices it.
        if address.port != 0 { try ListeningSocket(address, isShared: false).close() }
        for _ in loops.loops {
          let socket = try ListeningSocket(address, isShared: true)
          sockets.append(socket)
          // The first one chose the port; the others join it.
          address = socket.address
        }
        return .success(address)
      } catch {
        for socket in sockets { socket.close() }
        sockets = []
        return .failure(error)
      }
    }
    return try bound.get()
  }

  /// Serves until asked to stop; then no new connections, idle ones end, requests under way get `stopTimeout`.
  /// Cancellation ends everything at once.
  public func run() async throws {
    let address = try bind()
    let sockets = takeSockets()
    logger.notice("listening", ["address": .string(address.description)])
    try await withThrowingTaskGroup(of: Void.self) { group in
      for (loop, socket) in zip(loops.loops, sockets) {
        group.addTask(executorPreference: loop) { try await self.serve(on: loop, socket) }
      }
      try await group.waitForAll()
    }
    logger.notice("stopped", ["address": .string(address.description)])
  }

  private func takeSockets() -> [ListeningSocket] {
    sockets.withLock { sockets in
      defer { sockets = [] }
      return sockets
    }
  }

  /// One loop's share. Runs on the loop.
  private func serve(on loop: EventLoop, _ socket: ListeningSocket) async throws {
    let context = try LoopContext(loop: loop, server: self)
    let listener = try Channel(descriptor: socket.descriptor, loop: loop)
    await withTaskGroup(of: Void.self) { group in
      group.addTask(executorPreference: loop) {
        await Shutdown.requested()
        // Cancelled, not asked: the connections' own tasks are cancelled as well.
        if Task.isCancelled { return listener.close() }
        listener.close()
        context.stopGracefully()
        do { try await IO.sleep(self.configuration.limits.stopTimeout) } catch { return }
        context.stopNow()
      }
      await accept(listener, context)
      group.cancelAll()
    }
    listener.close()
  }

  /// Takes connections until the listener is closed, then waits for those that are open.
  private func accept(_ listener: Channel, _ context: LoopContext) async {
    await withDiscardingTaskGroup { group in
      while !listener.isClosed {
        switch listener.accept() {
        case .connection(let descriptor, let remote):
          if let connection = admit(descriptor, remote, context) {
            group.addTask { await self.run(connection, context) }
          }
        case .none:
          do { try await listener.readable(until: .never, "a connection") } catch { return }
        case .exhausted(let error):
          logger.warning("cannot accept connections", ["error": .error(error)])
          metrics.refusals.increment(configuration.name, "exhausted")
          do { try await IO.sleep(.milliseconds(100)) } catch { return }
        }
      }
    }
  }

  private func admit(_ descriptor: CInt, _ remote: SocketAddress, _ context: LoopContext) -> HTTPConnection? {
    do {
      let channel = try Channel(descriptor: descriptor, loop: context.loop)
      guard connectionCount.load(ordering: .relaxed) < configuration.limits.connectionsMax else {
        metrics.refusals.increment(configuration.name, "connections")
        channel.close()
        return nil
      }
      let output = SendBuffer(loop: context.loop)
      do {
        let tls = try context.acceptor?.connection(descriptor: descriptor, output: output)
        let stream = ConnectionStream(channel: channel, tls: tls, output: output, limits: configuration.limits)
        let open = connectionCount.add(1, ordering: .relaxed).newValue
        metrics.connections.set(Double(open), configuration.name)
        return HTTPConnection(context: context, stream: stream, remote: remote)
      } catch {
        channel.close()
        throw error
      }
    } catch {
      logger.error("cannot serve a connection", ["error": .error(error)])
      return nil
    }
  }

  private func run(_ connection: HTTPConnection, _ context: LoopContext) async {
    context.add(connection)
    await connection.serve()
    context.remove(connection)
    metrics.connections.set(Double(connectionCount.subtract(1, ordering: .relaxed).newValue), configuration.name)
  }
}
