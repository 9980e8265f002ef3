import CTLS
import Crypto
import Glibc
import Reactor
import TestKit
import Testing

@testable import TLS

/// Connections whose records are sealed by our ciphers, and by OpenSSL's as on other processors; the client's are
/// OpenSSL's own.
@Suite(.timeLimit(.minutes(1)))
struct RecordCipherTests {
  let fleet: TestFleet
  let configuration: TLSServerConfiguration
  let loops: EventLoopGroup
  let pool = BlockingPool(name: "clients", threads: 2, queueLimit: 10)

  init() throws {
    fleet = try TestFleet()
    let server = try fleet.server(.appliance)
    configuration = TLSServerConfiguration(certificateChain: server.certificate.pem, privateKey: server.keyPEM)
    loops = try EventLoopGroup(loops: 1)
  }

  @Test func areOursWhereTheProcessorHasWhatTheyNeed() throws {
    let fastest = try TLSLoopContext(TLSServerContext(configuration).generation)
    #expect(fastest.recordCipherProvider == (artstore_gcm_is_available() == 1 ? "artstore-gcm" : "artstore"))
    let theirs = try TLSLoopContext(TLSServerContext(configuration, recordCiphers: .openSSL).generation)
    #expect(theirs.recordCipherProvider == "artstore")
  }

  @Test(
    arguments: [RecordCiphers.fastest, .openSSL],
    ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"])
  func carryBytesBothWays(_ ciphers: RecordCiphers, _ suite: String) async throws {
    let context = try TLSServerContext(configuration, recordCiphers: ciphers)
    let counts = [1, 8, 16_383, 16_384, 16_385, 1_000_000]
    let ends = TestServer.pair()
    async let seen = TestServer(loops: loops, context: context).serve(ends.server)
    let authority = fleet.authorityPEM
    let (used, received) = try await pool.run {
      let client = try TestClient(descriptor: ends.client, trusting: authority, showing: nil, suite: suite)
      try client.handshake()
      let received = try counts.map { count in
        try client.send(TLSConnectionTests.ask(count))
        return try client.receive(count)
      }
      return (client.suite, received)
    }
    #expect(used == suite)
    for (count, bytes) in zip(counts, received) {
      #expect(bytes == (0..<count).map { TestServer.pattern[$0 % TestServer.pattern.count] })
    }
    #expect(await seen.failure == nil)
  }

  /// Bytes that nobody sealed, as long as the number that the server waits for.
  @Test(arguments: [RecordCiphers.fastest, .openSSL])
  func refuseAForgedRecord(_ ciphers: RecordCiphers) async throws {
    let context = try TLSServerContext(configuration, recordCiphers: ciphers)
    let ends = TestServer.pair()
    async let seen = TestServer(loops: loops, context: context).serve(ends.server)
    let authority = fleet.authorityPEM
    let answered = try await pool.run {
      let client = try TestClient(
        descriptor: ends.client, trusting: authority, showing: nil, suite: "TLS_AES_128_GCM_SHA256")
      try client.handshake()
      try client.send(TLSConnectionTests.ask(1))
      _ = try client.receive(1)
      let forged: [UInt8] = [0x17, 3, 3, 0, 25] + [UInt8](repeating: 7, count: 25)
      _ = write(ends.client, forged, forged.count)
      return (try? client.receive(1)) != nil  // refused: what is expected
    }
    #expect(!answered)
    #expect(await seen.failure?.contains("bad record mac") == true)
  }
}
