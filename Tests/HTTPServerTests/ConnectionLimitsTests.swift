import Core
import Crypto
import Glibc
import HTTP
import Reactor
import TLS
import Telemetry
import TestKit
import Testing

@testable import HTTPServer

/// Too many connections, from everybody or from one: somebody idle or slow makes room, or the new one is refused before
/// it costs anything.
@Suite(.timeLimit(.minutes(1)))
struct ConnectionLimitsTests {
  static let hello = "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"

  static func greeted(_ server: RunningServer.Handle, from host: String = "127.0.0.1") throws -> RawClient {
    let client = try RawClient(server.address, from: host)
    try client.send(hello)
    guard try client.answer().status == 200 else { throw RawClient.Failed(what: "not greeted") }
    return client
  }

  @Test func aNewConnectionTakesThePlaceOfAnIdleOne() async throws {
    var limits = HTTPLimits()
    limits.connectionsMax = 2
    try await RunningServer.with(LimitsTests.routes, limits: limits) { server in
      try await server.pool.run {
        let first = try Self.greeted(server)
        usleep(20_000)
        let second = try Self.greeted(server)
        usleep(20_000)
        let third = try Self.greeted(server)
        #expect(try first.rest().isEmpty, "the one that was idle for longest went")
        for client in [second, third] {
          try client.send(Self.hello)
          #expect(try client.answer().text == "hello")
        }
      }
      #expect(LimitsTests.refusals(server, "evicted"))
    }
  }

  @Test func whoeverIsServedKeepsThePlace() async throws {
    var limits = HTTPLimits()
    limits.connectionsMax = 2
    try await RunningServer.with(LimitsTests.routes, limits: limits) { server in
      let (refusal, rest) = try await server.pool.run {
        let busy = [try RawClient(server.address), try RawClient(server.address)]
        for client in busy { try client.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n") }
        usleep(100_000)
        let third = try RawClient(server.address)
        let refusal = try third.answer()
        for client in busy { #expect(try client.answer().text == "slow") }
        return (refusal, try third.rest())
      }
      #expect(refusal.status == 503 && refusal.field("Retry-After") == "1" && refusal.text.contains("OVERLOADED"))
      #expect(rest.isEmpty)
      #expect(LimitsTests.refusals(server, "connections"))
    }
  }

  @Test func oneAddressCannotTakeEveryPlace() async throws {
    var limits = HTTPLimits()
    limits.connectionsPerAddressMax = 2
    try await RunningServer.with(LimitsTests.routes, limits: limits) { server in
      try await server.pool.run {
        let greedy = [try Self.greeted(server), try Self.greeted(server)]
        #expect(try RawClient(server.address).answer().status == 503)
        _ = try Self.greeted(server, from: "127.0.0.2")
        for client in greedy {
          try client.send(Self.hello)
          #expect(try client.answer().text == "hello", "what it has it keeps")
        }
      }
      #expect(LimitsTests.refusals(server, "address"))
      // A place comes back when its connection is gone.
      for attempt in 0... {
        if (try? await server.pool.run { _ = try Self.greeted(server) }) != nil { break }
        try #require(attempt < 200)
        try await Task.sleep(for: .milliseconds(10))
      }
    }
  }

  @Test func unfinishedHandshakesMakeRoomForNewOnes() async throws {
    let fleet = try TestFleet()
    let credential = try fleet.server(.appliance)
    let tls = try TLSServerContext(
      TLSServerConfiguration(certificateChain: credential.certificatePEM, privateKey: credential.keyPEM))
    var limits = HTTPLimits()
    limits.handshakesMax = 3
    try await RunningServer.with(LimitsTests.routes, limits: limits, tls: tls) { server in
      try await server.pool.run {
        let silent = try (0..<3).map { _ in
          usleep(20_000)
          return try RawClient(server.address)
        }
        usleep(100_000)
        let fourth = try RawClient(server.address)
        #expect(try silent[0].rest().isEmpty, "the slowest one went")
        try fourth.send("this is no TLS")
        _ = try fourth.rest()
      }
      #expect(LimitsTests.refusals(server, "evicted"))
      #expect(
        String(decoding: server.registry.render(), as: UTF8.self)
          .contains("t_tls_handshakes_total{server=\"test\",kind=\"failed\"}"))
    }
  }

  /// Of a burst that a busy loop takes in one turn, the later ones take the places of the earlier ones too.
  @Test func aBurstMakesRoomForItself() async throws {
    let blocking = Route(.get, "/blocking", RunningServer.open) { _ in
      usleep(200_000)
      return .text(.ok, "done")
    }
    var limits = HTTPLimits()
    limits.connectionsMax = 3
    try await RunningServer.with(LimitsTests.routes + [blocking], limits: limits) { server in
      try await server.pool.run {
        let busy = try RawClient(server.address)
        try busy.send("GET /blocking HTTP/1.1\r\nHost: x\r\n\r\n")
        usleep(50_000)
        let burst = try (0..<8).map { _ in try RawClient(server.address) }
        #expect(try busy.answer().text == "done")
        #expect(try burst[0].rest().isEmpty && burst[1].rest().isEmpty, "gone, and not refused")
        try burst[7].send(Self.hello)
        #expect(try burst[7].answer().text == "hello")
      }
      #expect(LimitsTests.refusals(server, "evicted") && !LimitsTests.refusals(server, "connections"))
    }
  }

  @Test func handshakesAreAdmittedAtARate() {
    var limits = HTTPLimits()
    limits.handshakesPerSecondMax = 10
    let start = Deadline(nanoseconds: 1_000_000_000)
    let admission = Admission(limits, isTLS: true, now: start)
    let burst = (0..<30).map { _ in admission.enter(1, now: start) }
    #expect(burst.filter { $0 == nil }.count == 20 && burst.last == .handshakeRate)
    let later = start + .milliseconds(500)
    let more = (0..<10).map { _ in admission.enter(1, now: later) }
    #expect(more.filter { $0 == nil }.count == 5)
    #expect(admission.enter(1, now: start) == .handshakeRate, "a loop whose clock is behind gains nothing")
    let plain = Admission(limits, isTLS: false, now: start)
    #expect((0..<30).allSatisfy { _ in plain.enter(1, now: start) == nil })
  }

  @Test func whatIsRefusedIsNotCounted() {
    var limits = HTTPLimits()
    limits.connectionsMax = 3
    limits.connectionsPerAddressMax = 2
    limits.handshakesMax = 2
    let admission = Admission(limits, isTLS: true)
    #expect(admission.enter(1, now: .now) == nil && admission.enter(1, now: .now) == nil)
    #expect(admission.enter(1, now: .now) == .address)
    #expect(admission.enter(2, now: .now) == .handshakes)
    admission.handshakeEnded()
    #expect(admission.enter(2, now: .now) == nil)
    admission.handshakeEnded()
    #expect(admission.enter(3, now: .now) == .connections)
    #expect(admission.open == 3 && admission.handshakes == 1)
    admission.leave(1)
    #expect(admission.enter(1, now: .now) == nil)
    #expect(admission.enter(1, now: .now, beyondLimits: true) == .address, "making room is not for one's own address")
  }
}
