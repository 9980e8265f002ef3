import COpenSSL
import Core
import Crypto
import Reactor
import TLS
import TestKit
import Testing

/// Resumption: tickets are good at every loop, for two generations of keys, and never past a change of what is trusted.
@Suite(.timeLimit(.minutes(1)))
struct SessionTicketTests {
  let fleet: TestFleet
  let server: TestCredential
  let loops: EventLoopGroup
  let pool = BlockingPool(name: "clients", threads: 4, queueLimit: 10)

  init() throws {
    fleet = try TestFleet()
    server = try fleet.server(.appliance)
    loops = try EventLoopGroup(loops: 2)
  }

  struct Visit {
    var isConnected = false
    var isResumed = false
    var session: OpaquePointer?
    var seen = TestServer.Seen()
  }

  private func configuration(trusting fleet: TestFleet) -> TLSServerConfiguration {
    TLSServerConfiguration(
      certificateChain: server.certificatePEM, privateKey: server.keyPEM, clientAuthorities: fleet.authorityPEM,
      clientCertificate: .required)
  }

  private func visit(
    _ context: TLSServerContext, _ credential: TestCredential, loop: Int = 0, resuming session: OpaquePointer? = nil
  ) async -> Visit {
    let ends = TestServer.pair()
    async let seen = TestServer(loops: loops, context: context, loop: loop).serve(ends.server)
    let authority = fleet.authorityPEM
    let session = session.map { UInt(bitPattern: $0) }
    let result = try? await pool.run {
      let client = try TestClient(
        descriptor: ends.client, trusting: authority, showing: credential,
        session: session.flatMap { OpaquePointer(bitPattern: $0) })
      try client.handshake()
      try client.send([0, 0, 0, 0, 0, 0, 0, 1])
      _ = try client.receive(1)
      return (client.isResumed, client.session.map { UInt(bitPattern: $0) })
    }
    return Visit(
      isConnected: result != nil, isResumed: result?.0 ?? false,
      session: (result?.1).flatMap { OpaquePointer(bitPattern: $0) }, seen: await seen)
  }

  @Test func aTicketIsGoodAtEveryLoopAndKeepsTheIdentity() async throws {
    let context = try TLSServerContext(configuration(trusting: fleet))
    let credential = try fleet.client(.ingester, name: "one")
    let first = await visit(context, credential)
    let second = await visit(context, credential, loop: 1, resuming: first.session)
    #expect(first.isConnected && !first.isResumed)
    #expect(second.isResumed && second.seen.isResumed)
    #expect(second.seen.identity == PeerIdentity(role: .ingester, name: "one"))
    #expect(second.seen.spki == credential.certificate.spkiHash)
  }

  /// OpenSSL's clients, like others, use a ticket once: who resumes must get the next one.
  @Test func whoResumesCanResumeAgain() async throws {
    let context = try TLSServerContext(configuration(trusting: fleet))
    let credential = try fleet.client(.ingester, name: "one")
    var last = await visit(context, credential)
    for number in 1...4 {
      let next = await visit(context, credential, loop: number % 2, resuming: last.session)
      #expect(next.isResumed, "visit \(number)")
      #expect(next.session != nil && next.session != last.session, "visit \(number) got no ticket of its own")
      #expect(next.seen.identity == PeerIdentity(role: .ingester, name: "one"))
      last = next
    }
  }

  @Test func twoGenerationsOfKeysAreAccepted() async throws {
    let context = try TLSServerContext(configuration(trusting: fleet))
    let credential = try fleet.client(.ingester)
    let first = await visit(context, credential)
    context.rotateTicketKeys()
    #expect(await visit(context, credential, loop: 1, resuming: first.session).isResumed, "sealed with the key before")
    context.rotateTicketKeys()
    let late = await visit(context, credential, resuming: first.session)
    #expect(late.isConnected && !late.isResumed, "that key is forgotten: a full handshake instead")
    #expect(await visit(context, credential, resuming: late.session).isResumed)
  }

  @Test func nobodyResumesPastAChangeOfTheAuthorities() async throws {
    let context = try TLSServerContext(configuration(trusting: fleet))
    let credential = try fleet.client(.ingester)
    let first = await visit(context, credential)
    try context.reload(configuration(trusting: try TestFleet(name: "successor")))
    let second = await visit(context, credential, resuming: first.session)
    #expect(!second.isConnected && second.seen.identity == nil && second.seen.failure != nil)
  }

  /// The server cannot wait until a certificate expires, so the ticket comes from one that is about to.
  @Test func aResumedSessionOfAnExpiredCertificateIsNotTrusted() async throws {
    let context = try TLSServerContext(configuration(trusting: fleet))
    let credential = try fleet.client(.ingester, validity: .seconds(6))
    let first = await visit(context, credential)
    try #require(first.isConnected && first.seen.isStillTrusted == true)
    var last = first
    for _ in 0..<100 where last.seen.isStillTrusted == true {
      try await Task.sleep(for: .milliseconds(100))
      last = await visit(context, credential, resuming: first.session)
    }
    #expect(last.isResumed, "OpenSSL itself resumes it")
    #expect(last.seen.isStillTrusted == false)
  }

  /// That a certificate was found good is remembered, but not past its dates.
  @Test func anExpiredCertificateThatWasGoodIsRefused() async throws {
    let context = try TLSServerContext(configuration(trusting: fleet))
    let credential = try fleet.client(.ingester, validity: .seconds(6))
    let (authority, pool) = (fleet.authorityPEM, pool)
    let done = await TestServer(loops: loops, context: context).visits(atMost: 100) { descriptor in
      do {
        try await pool.run {
          let client = try TestClient(descriptor: descriptor, trusting: authority, showing: credential)
          try client.handshake()
          _ = try client.receive(1)
        }
        try await Task.sleep(for: .milliseconds(100))
      } catch {}  // what the server says counts
    }
    #expect(done.count > 1 && done.last == false)
  }

  @Test func connectionsAreVerifiedAgainAfterAChange() async throws {
    let context = try TLSServerContext(configuration(trusting: fleet))
    let credential = try fleet.client(.ingester)
    let successor = try TestFleet(name: "successor")
    let both = fleet.authorityPEM + successor.authorityPEM
    let ends = TestServer.pair()
    let authority = fleet.authorityPEM
    async let client: Void = pool.run {
      let client = try TestClient(descriptor: ends.client, trusting: authority, showing: credential)
      try client.handshake()
      try client.send([0, 0, 0, 0, 0, 0, 0, 1])
      _ = try client.receive(1)
    }
    var configurations = [configuration(trusting: fleet), configuration(trusting: successor)]
    configurations[0].clientAuthorities = both
    let verdicts = await TestServer(loops: loops, context: context).verdicts(ends.server, after: configurations)
    try await client
    #expect(verdicts == [true, false], "still trusted beside another authority, no longer without its own")
  }
}
