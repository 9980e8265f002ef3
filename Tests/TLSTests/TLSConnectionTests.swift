import COpenSSL
import Core
import Crypto
import Reactor
import TLS
import TestKit
import Testing

@Suite(.timeLimit(.minutes(1)))
struct TLSConnectionTests {
  let fleet: TestFleet
  let server: TestCredential
  let loops: EventLoopGroup
  let pool = BlockingPool(name: "clients", threads: 4, queueLimit: 10)

  init() throws {
    fleet = try TestFleet()
    server = try fleet.server(.appliance)
    loops = try EventLoopGroup(loops: 1)
  }

  func configuration(_ client: TLSServerConfiguration.ClientCertificate) -> TLSServerConfiguration {
    TLSServerConfiguration(
      certificateChain: server.certificate.pem, privateKey: server.keyPEM, clientAuthorities: fleet.authorityPEM,
      clientCertificate: client)
  }

  /// One connection: what the client did and what the server saw.
  func connect<R: Sendable>(
    _ context: TLSServerContext, showing credential: TestCredential?,
    _ body: @escaping @Sendable (TestClient) throws -> R
  ) async throws -> (client: Result<R, any Error>, server: TestServer.Seen) {
    let ends = TestServer.pair()
    async let seen = TestServer(loops: loops, context: context).serve(ends.server)
    let authority = fleet.authorityPEM
    let result: Result<R, any Error>
    do {
      let value = try await pool.run {
        let client = try TestClient(descriptor: ends.client, trusting: authority, showing: credential)
        try client.handshake()
        return try body(client)
      }
      result = .success(value)
    } catch {
      result = .failure(error)
    }
    return (result, await seen)
  }

  static func ask(_ count: Int) -> [UInt8] { (0..<8).map { UInt8(truncatingIfNeeded: count >> (56 - $0 * 8)) } }

  @Test func knowsThePeerOnBothSides() async throws {
    let credential = try fleet.client(.ingester, name: "one")
    let context = try TLSServerContext(configuration(.required))
    let (client, seen) = try await connect(context, showing: credential) { client in
      try client.send(Self.ask(3))
      _ = try client.receive(3)
      return (client.version, try client.serverSPKI(), client.export("EXPORTER-test", 32))
    }
    let (version, spki, exported) = try client.get()
    #expect(version == "TLSv1.3")
    #expect(spki == server.certificate.spki)
    #expect(seen.identity == PeerIdentity(role: .ingester, name: "one"))
    #expect(seen.spki == credential.certificate.spkiHash)
    #expect(seen.exported == exported)
  }

  @Test(arguments: [1, 16_384, 16_385, 300_000, 9_000_000])
  func carriesBytesWhole(_ count: Int) async throws {
    let context = try TLSServerContext(configuration(.none))
    let (client, seen) = try await connect(context, showing: nil) { client in
      try client.send(Self.ask(count))
      return try client.receive(count)
    }
    let bytes = try client.get()
    let expected = (0..<count).allSatisfy { bytes[$0] == TestServer.pattern[$0 % TestServer.pattern.count] }
    #expect(expected)
    #expect(seen.failure == nil)
    #expect(seen.identity == nil)
  }

  @Test func refusesWhoShowsNoCertificateOrAForeignOne() async throws {
    let stranger = try TestFleet(name: "another fleet").client(.ingester)
    let context = try TLSServerContext(configuration(.required))
    for credential in [nil, stranger] {
      let (client, seen) = try await connect(context, showing: credential) { client in
        try client.send(Self.ask(1))
        return try client.receive(1)
      }
      #expect(throws: (any Error).self) { try client.get() }
      #expect(seen.failure?.contains("certificate") == true)
      #expect(seen.identity == nil)
    }
  }

  @Test func refusesServerCertificatesShownByClients() async throws {
    let context = try TLSServerContext(configuration(.required))
    let appliance = try fleet.server(.appliance, name: "thief")
    let (client, seen) = try await connect(context, showing: appliance) { client in
      try client.send(Self.ask(1))
      return try client.receive(1)
    }
    #expect(throws: (any Error).self) { try client.get() }
    #expect(seen.failure != nil)
  }

  @Test func optionalCertificatesMayBeMissing() async throws {
    let context = try TLSServerContext(configuration(.optional))
    let (client, seen) = try await connect(context, showing: nil) { client in
      try client.send(Self.ask(1))
      return try client.receive(1).count
    }
    #expect(try client.get() == 1)
    #expect(seen.identity == nil && seen.spki == nil)
  }

  @Test func reloadServesTheNewCertificateAndRefusesOldSessions() async throws {
    let context = try TLSServerContext(configuration(.none))
    let authority = fleet.authorityPEM
    func visit(_ session: OpaquePointer?) async throws -> (resumed: Bool, spki: [UInt8], session: OpaquePointer?) {
      let ends = TestServer.pair()
      let session = session.map { UInt(bitPattern: $0) }
      async let seen = TestServer(loops: loops, context: context).serve(ends.server)
      let (resumed, spki, next) = try await pool.run {
        let client = try TestClient(
          descriptor: ends.client, trusting: authority, showing: nil,
          session: session.flatMap { OpaquePointer(bitPattern: $0) })
        try client.handshake()
        try client.send(Self.ask(1))
        _ = try client.receive(1)
        return (client.isResumed, try client.serverSPKI(), client.session.map { UInt(bitPattern: $0) })
      }
      _ = await seen
      return (resumed, spki, next.flatMap { OpaquePointer(bitPattern: $0) })
    }
    let first = try await visit(nil)
    let second = try await visit(first.session)
    #expect(!first.resumed && second.resumed)

    let renewed = try fleet.server(.appliance, name: "renewed")
    try context.reload(
      TLSServerConfiguration(certificateChain: renewed.certificate.pem, privateKey: renewed.keyPEM))
    let third = try await visit(second.session)
    #expect(!third.resumed)
    #expect(third.spki == renewed.certificate.spki)

    #expect(throws: TLSError.self) {
      try context.reload(TLSServerConfiguration(certificateChain: "nonsense", privateKey: renewed.keyPEM))
    }
    #expect(try await visit(nil).spki == renewed.certificate.spki)
    for session in [first.session, second.session, third.session] { SSL_SESSION_free(session) }
  }

  @Test func refusesConfigurationsThatCannotWork() throws {
    let other = try fleet.server(.appliance, name: "other")
    #expect(throws: TLSError.self) {
      try TLSServerContext(
        TLSServerConfiguration(certificateChain: server.certificate.pem, privateKey: other.keyPEM))
    }
    #expect(throws: TLSError.self) {
      try TLSServerContext(
        TLSServerConfiguration(
          certificateChain: server.certificate.pem, privateKey: server.keyPEM, clientCertificate: .required))
    }
  }
}
