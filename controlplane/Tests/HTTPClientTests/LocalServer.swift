import Core
import Crypto
import HTTP
import HTTPServer
import Reactor
import Service
import TLS
import Telemetry
import TestKit

/// Runs a server on a free loopback port for as long as `body` runs.
struct LocalServer {
  let url: String

  static func with<R: Sendable>(
    _ routes: [Route], tls: TLSServerContext? = nil, _ body: @escaping @Sendable (LocalServer) async throws -> R
  ) async throws -> R {
    let loops = try EventLoopGroup(loops: 1)
    defer { loops.shutdown() }
    let configuration = HTTPServerConfiguration(name: "test", address: .loopback(port: 0), tls: tls, logsAccess: false)
    let server = HTTPServer(
      configuration, router: Router(routes, authorizer: Anybody()), loops: loops, logger: .silent,
      metrics: HTTPServerMetrics(MetricsRegistry(), prefix: "cp_"))
    let address = try server.bind()
    let scheme = tls == nil ? "http" : "https"
    return try await withThrowingTaskGroup(of: R?.self) { group in
      group.addTask {
        try await server.run()
        return nil
      }
      group.addTask { try await body(LocalServer(url: "\(scheme)://\(address)")) }
      defer { group.cancelAll() }
      while let result = try await group.next() { if let result { return result } }
      throw TestKitError("the server ended first")
    }
  }

  struct Anybody: Authorizer {
    func authorize(_ request: Request, for access: Access) async throws(APIError) -> Principal {
      Principal(subject: request.peer?.uri ?? "", peer: request.peer)
    }
  }

  static func context(
    _ credential: TestCredential, clients: String? = nil
  ) throws -> TLSServerContext {
    try TLSServerContext(
      TLSServerConfiguration(
        certificateChain: credential.certificatePEM, privateKey: credential.keyPEM, clientAuthorities: clients,
        clientCertificate: clients == nil ? .none : .required))
  }
}
