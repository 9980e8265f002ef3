import Core
import Crypto
import HTTP
import HTTPServer
import Reactor
import Service
import TLS
import Telemetry

/// A real server on a real port of its own, for as long as `body` runs.
enum RunningServer {
  struct Everyone: Authorizer {
    func authorize(_ request: Request, for access: Access) async throws(APIError) -> Principal {
      Principal(subject: "someone", peer: request.peer)
    }
  }

  struct Handle: Sendable {
    let address: SocketAddress
    let registry: MetricsRegistry
    let log: MemorySink
    let shutdown: ShutdownSignal
    let pool: BlockingPool

    /// Runs blocking client code on a thread of its own.
    func client<R: Sendable>(_ body: @escaping @Sendable (RawClient) throws -> R) async throws -> R {
      let address = address
      return try await pool.run { try body(RawClient(address)) }
    }

    func get(_ request: String) async throws -> RawClient.Answer {
      try await client { client in
        try client.send(request)
        return try client.answer()
      }
    }
  }

  static let open = Access.open(reason: "test")

  static func with<R: Sendable>(
    _ routes: [Route], limits: HTTPLimits = HTTPLimits(), tls: TLSServerContext? = nil, loops: Int = 1,
    authorizer: any Authorizer = Everyone(), spans: SpanRing? = nil, sampledPercent: Double = 0,
    _ body: @escaping @Sendable (Handle) async throws -> R
  ) async throws -> R {
    let group = try EventLoopGroup(loops: loops)
    let log = MemorySink()
    let registry = MetricsRegistry()
    let logger = Logger(label: "test", level: .debug, sink: log)
    let pool = BlockingPool(name: "clients", threads: 8, queueLimit: 100)
    let server = HTTPServer(
      HTTPServerConfiguration(
        name: "test", address: .loopback(port: 0), tls: tls, limits: limits),
      router: Router(routes, authorizer: authorizer, logger: logger), loops: group, logger: logger,
      metrics: HTTPServerMetrics(registry, prefix: "t_"), spans: spans, sampledPercent: sampledPercent)
    let shutdown = ShutdownSignal()
    let handle = Handle(address: try server.bind(), registry: registry, log: log, shutdown: shutdown, pool: pool)
    let result = try await withThrowingTaskGroup(of: R?.self) { tasks in
      tasks.addTask {
        try await Shutdown.with(shutdown) { try await server.run() }
        return nil
      }
      tasks.addTask {
        defer { shutdown.raise() }
        return try await body(handle)
      }
      var result: R?
      while let next = try await tasks.next() { result = next ?? result }
      return result!
    }
    pool.shutdown()
    group.shutdown()
    return result
  }
}
