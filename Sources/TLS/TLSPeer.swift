public import Core
public import Crypto

/// Who is at the other end: what counts of a client's verified certificate.
public struct TLSPeer: Sendable, Hashable {
  /// nil when the certificate names none of ours, or may not speak for it now.
  public let identity: PeerIdentity?
  /// SHA-256 of the key's SPKI: what is pinned.
  public let spkiHash: Checksum

  /// The same key, speaking for nobody.
  var withoutIdentity: TLSPeer { TLSPeer(identity: nil, spkiHash: spkiHash) }
}

/// What certificates say, by their bytes: the few clients of an appliance come again and again, and reading a
/// certificate costs a third of a resumed handshake. Whether one is valid is not kept. Confined to its loop's thread.
struct PeerCache {
  /// When there are so many, it begins anew: no client can fill memory with certificates.
  private let countMax: Int
  private var known: [[UInt8]: TLSPeer] = [:]

  init(countMax: Int = 256) { self.countMax = countMax }

  var count: Int { known.count }

  /// nil for what cannot be read again: such a client is nobody.
  mutating func peer(_ der: [UInt8]) -> TLSPeer? {
    if let peer = known[der] { return peer }
    guard let read = try? Certificate(der: der) else { return nil }  // the caller treats nil as nobody
    let peer = TLSPeer(identity: read.identity, spkiHash: read.spkiHash)
    if known.count >= countMax { known.removeAll(keepingCapacity: true) }
    known[der] = peer
    return peer
  }
}
