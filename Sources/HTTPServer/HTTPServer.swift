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
  /// Where spans of finished requests go.
  let spans: SpanRing?
  /// The share of traces begun here that are sampled, of 2^64.
  let sampledShare: UInt64
  /// Reads what is not in the page cache.
  let files: BlockingPool
  private let loops: EventLoopGroup
  private let sockets = Mutex<[ListeningSocket]>([])
  let admission: Admission
  /// Connections taken in one go before others on the loop get their turn.
  static let acceptedInARow = 8
  /// Groups that the tasks of one loop's connections are spread over.
  static let taskGroups = 32

  public init(
    _ configuration: HTTPServerConfiguration, router: Router, loops: EventLoopGroup, logger: Logger,
    metrics: HTTPServerMetrics, time: any TimeSource = SystemTime(), random: any RandomSource = SystemRandom(),
    spans: SpanRing? = nil, sampledPercent: Double = 0
  ) {
    self.spans = spans
    // All of them would be 2^64, which does not fit.
    sampledShare = sampledPercent >= 100 ? .max : UInt64(max(0, sampledPercent) / 100 * 0x1p64)
    self.configuration = configuration
    self.router = router
    self.loops = loops
    self.logger = logger.with(["server": .string(configuration.name)])
    self.metrics = metrics
    self.time = time
    self.random = random
    admission = Admission(configuration.limits, isTLS: configuration.tls != nil)
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
  ///
  /// `inherited`: a socket that somebody else keeps open over our restarts (systemd); the loops share it, and what
  /// waits in it when this process ends is the next one's.
  @discardableResult
  public func bind(inherited: ListeningSocket? = nil) throws(ReactorError) -> SocketAddress {
    let bound: Result<SocketAddress, ReactorError> = sockets.withLock { sockets in
      if let first = sockets.first { return .success(first.address) }
      do throws(ReactorError) {
        if let inherited {
          defer { inherited.close() }
          for _ in loops.loops { sockets.append(try inherited.duplicate()) }
          return .success(inherited.address)
        }
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
        let limits = self.configuration.limits
        let grace = min(limits.drainTimeout, limits.stopTimeout)
        do {
          try await IO.sleep(grace)
          context.stopBeginners()
          try await IO.sleep(limits.stopTimeout - grace)
        } catch { return }
        context.stopNow()
      }
      await accept(listener, context)
      group.cancelAll()
    }
    listener.close()
  }
}
