internal import Core
internal import Crypto

/// A place in an appliance's history of changes. Clients see it as an opaque text (`cursor`) and hand it back.
///
/// An LSN alone would lie after a restored backup: the same numbers would stand for other changes. So a position names
/// the life of the store (`epoch`), the feed's own (`generation`, new when the index was rebuilt) and the process run
/// that wrote the change (`incarnation`); one that the appliance does not know answers `CURSOR_EXPIRED`.
public struct Position: Sendable, Hashable {
  public static let headerName = "ArtStore-Position"

  public let epoch: UInt64
  public let generation: UInt64
  public let incarnation: UInt64
  public let lsn: UInt64

  public init(epoch: UInt64, generation: UInt64, incarnation: UInt64, lsn: UInt64) {
    self.epoch = epoch
    self.generation = generation
    self.incarnation = incarnation
    self.lsn = lsn
  }

  /// The opaque text: base64url of the four numbers, big-endian, and 4 bytes of their SHA-256, 48 characters. The
  /// checksum tells a mangled cursor, which is the client's mistake, from one of another life, which means a full sync.
  public var cursor: String {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(36)
    for word in [epoch, generation, incarnation, lsn] {
      for shift in stride(from: UInt64(56), through: 0, by: -8) {
        bytes.append(UInt8(truncatingIfNeeded: word >> shift))
      }
    }
    return Base64.url.encode(bytes + Self.checksum(bytes))
  }

  /// Nil for anything that `cursor` does not produce.
  public init?(cursor: String) {
    guard cursor.utf8.count == 48, let bytes = Base64.url.decode(cursor), bytes.count == 36,
      Self.checksum(Array(bytes.prefix(32))).elementsEqual(bytes.suffix(4))
    else { return nil }
    func word(_ index: Int) -> UInt64 { bytes[index * 8..<index * 8 + 8].reduce(0) { $0 << 8 | UInt64($1) } }
    self.init(epoch: word(0), generation: word(1), incarnation: word(2), lsn: word(3))
  }

  private static func checksum(_ bytes: [UInt8]) -> ArraySlice<UInt8> { SHA256.digest(bytes).bytes.prefix(4) }
}
