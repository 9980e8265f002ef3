import HTTP
import Reactor
import Synchronization
import Testing

@testable import HTTPServer

/// Who asks, by `X-Forwarded-For`: what only a trusted proxy may say, read from the end that it wrote.
struct TrustedProxiesTests {
  @Test(arguments: [
    // From, header, believed
    ("10.1.2.3", nil, "10.1.2.3"),
    ("10.1.2.3", "203.0.113.7", "203.0.113.7"),
    ("10.1.2.3", "203.0.113.7:4711", "203.0.113.7"),
    ("10.1.2.3", "[2001:db8:7::1]:4711", "2001:db8:7::1"),
    ("10.1.2.3", "[2001:db8:7::1]", "2001:db8:7::1"),
    ("10.1.2.3", "2001:db8:7::1", "2001:db8:7::1"),
    // What stands left of the first stranger was made up by somebody.
    ("10.1.2.3", "192.0.2.1, 203.0.113.7", "203.0.113.7"),
    ("10.1.2.3", "192.0.2.1,203.0.113.7 , 10.9.9.9", "203.0.113.7"),
    ("10.1.2.3", "203.0.113.7, nonsense, 10.9.9.9", "10.9.9.9"),
    ("10.1.2.3", "nonsense", "10.1.2.3"),
    ("10.1.2.3", "", "10.1.2.3"),
    ("10.1.2.3", "10.5.5.5, 10.9.9.9", "10.5.5.5"),
    ("::ffff:10.1.2.3", "203.0.113.7", "203.0.113.7"),
    ("2001:db8:ff::9", "203.0.113.7", "203.0.113.7"),
    ("192.168.1.1", "203.0.113.7", "203.0.113.7"),
    // Not trusted: a neighbour of what is.
    ("11.1.2.3", "203.0.113.7", "11.1.2.3"),
    ("192.168.1.2", "203.0.113.7", "192.168.1.2"),
    ("2001:db8:fe::9", "203.0.113.7", "2001:db8:fe::9"),
  ])
  func theClientIs(from peer: String, saying header: String?, believed: String) throws {
    let ignored = Mutex<[String]>([])
    let networks = ["10.0.0.0/8", "192.168.1.1", "2001:db8:ff::/48"].compactMap(TrustedProxies.Network.init)
    let proxies = TrustedProxies(networks) { peer in ignored.withLock { $0.append(peer) } }
    let remote = try #require(SocketAddress(host: peer, port: 1))
    let origin = RequestOrigin(remote: remote, peer: nil, peerSPKI: nil, exporter: nil, proxies: proxies)
    let headers: HeaderFields = header.map { ["X-Forwarded-For": $0] } ?? [:]
    let request = Request(
      head: try RequestHead(.get, "/", headers: headers), body: .none, identifier: 1, from: origin)
    #expect(request.client == believed)
    let isStranger = ["11.1.2.3", "192.168.1.2", "2001:db8:fe::9"].contains(peer)
    #expect(ignored.withLock { $0 } == (isStranger ? [peer] : []))
  }

  @Test func severalFieldsAreOneList() throws {
    let proxies = TrustedProxies([TrustedProxies.Network("10.0.0.0/8")].compactMap { $0 }) { _ in }
    let remote = try #require(SocketAddress(host: "10.0.0.1", port: 1))
    #expect(proxies.client(saying: "192.0.2.1, 203.0.113.7, 10.0.0.2", from: remote) == "203.0.113.7")
    let long = Array(repeating: "10.0.0.2", count: 5000).joined(separator: ",")
    #expect(proxies.client(saying: "203.0.113.7," + long, from: remote) == "10.0.0.2")
  }

  @Test(arguments: ["", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "10.0.0", "gateway", "::1/129", "10.0.0.0/8/8"])
  func aBadNetworkIsNone(text: String) { #expect(TrustedProxies.Network(text) == nil) }

  @Test func withoutProxiesNobodyIsAsked() throws {
    let head = try RequestHead(.get, "/", headers: ["X-Forwarded-For": "203.0.113.7"])
    let origin = RequestOrigin(remote: .loopback(port: 0), peer: nil, peerSPKI: nil, exporter: nil)
    #expect(Request(head: head, body: .none, identifier: 1, from: origin).client == "127.0.0.1")
  }
}
