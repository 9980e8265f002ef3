import Core
import Crypto
import TestKit
import Testing

@testable import TLS

struct PeerCacheTests {
  @Test func tellsClientsApartAndStaysSmall() throws {
    let fleet = try TestFleet()
    var cache = PeerCache(countMax: 2)
    let one = try fleet.client(.ingester, name: "one").certificate
    let two = try fleet.client(.query, name: "two").certificate
    for _ in 0..<2 {
      #expect(cache.peer(one.der) == TLSPeer(identity: one.identity, spkiHash: one.spkiHash))
      #expect(cache.peer(two.der) == TLSPeer(identity: two.identity, spkiHash: two.spkiHash))
    }
    #expect(cache.count == 2)
    #expect(cache.peer([1, 2, 3]) == nil && cache.count == 2, "what is no certificate is not kept")
    let three = try fleet.client(.query, name: "three").certificate
    #expect(cache.peer(three.der)?.identity == three.identity && cache.count == 1, "it is full and begins anew")
    #expect(cache.peer(one.der)?.identity == one.identity)
  }
}
