internal import Core
internal import Crypto

/// Counters over all rows, changed with each row, so that nothing is ever counted.
struct IndexTotals: Sendable, Hashable {
  struct Count: Sendable, Hashable {
    var files = 0
    var bytes = 0
  }

  /// By status number.
  var counts = [Count](repeating: Count(), count: 3)
  /// The digest's 256 sums modulo 2^128.
  var buckets = [UInt128](repeating: 0, count: 256)

  /// A row's part of its bucket: SHA-256(id ‖ lsn big-endian ‖ SHA-256(record)), its first 128 bits.
  static func contribution(_ row: IndexRow) -> UInt128 {
    var bytes = row.id.bytes
    bytes.reserveCapacity(56)
    for shift in stride(from: UInt64(56), through: 0, by: -8) {
      bytes.append(UInt8(truncatingIfNeeded: row.lsn >> shift))
    }
    bytes.append(contentsOf: SHA256.digest(row.json).bytes)
    return SHA256.digest(bytes).bytes.prefix(16).reduce(0) { $0 << 8 | UInt128($1) }
  }

  /// The bucket of an id: its first byte.
  static func bucket(_ id: FileID) -> Int { Int(id.high >> 56) }

  mutating func add(_ id: FileID, status: Int, size: Int, contribution: UInt128) {
    counts[status].files += 1
    counts[status].bytes += size
    buckets[Self.bucket(id)] &+= contribution
  }

  mutating func remove(_ id: FileID, status: Int, size: Int, contribution: UInt128) {
    counts[status].files -= 1
    counts[status].bytes -= size
    buckets[Self.bucket(id)] &-= contribution
  }
}
