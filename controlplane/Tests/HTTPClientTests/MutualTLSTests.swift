import Core
import Crypto
import HTTP
import HTTPServer
import TLS
import TestKit
import Testing

@testable import HTTPClient

@Suite(.serialized) struct MutualTLSTests {
  static let who = Route(.get, "/who", .open(reason: "test")) { request in
    .text(.ok, request.peer?.uri ?? "nobody")
  }
  static let secret = Route(.post, "/secret", .open(reason: "test")) { request in
    .text(.ok, Hex.encode(request.exportKeyingMaterial(label: "EXPORTER-test", count: 32) ?? []))
  }

  private let client = HTTPClient(time: SystemTime())
  private let fleet: TestFleet
  private let server: TestCredential
  private let ours: TestCredential

  init() throws {
    fleet = try TestFleet(time: SystemTime(), random: SystemRandom())
    server = try fleet.server(.appliance, name: "one")
    ours = try fleet.client(.ingester, name: "us")
  }

  private func tls(_ trust: ClientTLS.Trust, pin: Checksum? = nil) -> ClientTLS {
    ClientTLS(trust: trust, certificate: ours.certificatePEM, privateKey: ours.keyPEM, pinnedSPKI: pin)
  }

  private func ask(_ url: String, _ tls: ClientTLS) async throws -> String {
    let response = try await client.send(ClientRequest(.get, url + "/who", tls: tls))
    return String(decoding: try await response.body.collect(limit: 1000), as: UTF8.self)
  }

  private func refused(_ url: String, _ tls: ClientTLS) async -> HTTPClientError.Kind? {
    do { _ = try await ask(url, tls) } catch { return (error as? HTTPClientError)?.kind }
    return nil
  }

  @Test func bothSidesKnowEachOther() async throws {
    let context = try LocalServer.context(server, clients: fleet.authorityPEM)
    try await LocalServer.with([Self.who], tls: context) { (local) async throws -> Void in
      let identity = ClientTLS.Trust.identity(authorities: fleet.authorityPEM, uri: "artstore://appliance/one")
      #expect(try await ask(local.url, tls(identity)) == "artstore://ingester/us")
      #expect(try await ask(local.url, tls(identity, pin: server.certificate.spkiHash)) == "artstore://ingester/us")
      #expect(try await ask(local.url, tls(.authorities(fleet.authorityPEM))) == "artstore://ingester/us")
    }
  }

  @Test func anotherIdentityAnotherFleetAndAnotherKeyAreRefused() async throws {
    let context = try LocalServer.context(server, clients: fleet.authorityPEM)
    let stranger = try TestFleet(time: SystemTime(), random: SystemRandom())
    try await LocalServer.with([Self.who], tls: context) { (local) async throws -> Void in
      let two = ClientTLS.Trust.identity(authorities: fleet.authorityPEM, uri: "artstore://appliance/two")
      #expect(await refused(local.url, tls(two)) == .untrusted)
      let other = ClientTLS.Trust.identity(authorities: stranger.authorityPEM, uri: "artstore://appliance/one")
      #expect(await refused(local.url, tls(other)) == .untrusted)
      let one = ClientTLS.Trust.identity(authorities: fleet.authorityPEM, uri: "artstore://appliance/one")
      #expect(await refused(local.url, tls(one, pin: ours.certificate.spkiHash)) == .untrusted)
      #expect(await refused(local.url, tls(.system)) == .untrusted)
    }
  }

  @Test func theExporterIsTheSameAtBothEndsAndStaysOnOneConnection() async throws {
    let context = try LocalServer.context(server)
    try await LocalServer.with([Self.secret], tls: context) { (local) async throws -> Void in
      try await client.withConnection(to: local.url, exporterLabel: "EXPORTER-test") { connection in
        let tls = ClientTLS(trust: .provenByCaller)
        #expect(connection.peer == nil)
        var secrets: Set<String> = []
        for _ in 0..<3 {
          let request = ClientRequest(.post, local.url + "/secret", body: .bytes([1]), tls: tls)
          let (response, body) = try await connection.exchange(request)
          #expect(response.status == .ok)
          let peer = try #require(connection.peer)
          #expect(SHA256.digest(peer.spki) == server.certificate.spkiHash)
          #expect(String(decoding: body, as: UTF8.self) == Hex.encode(peer.exportedSecret))
          secrets.insert(Hex.encode(peer.exportedSecret))
        }
        #expect(secrets.count == 1)
      }
    }
  }
}
