import Core
import Crypto
import Disk
import TestKit
import Testing

@testable import Store

@Suite struct BlockSumsTests {
  private static let sizes = [0, 1, 7, 4_096, 4_097, 16_383, 16_384, 16_385, 49_152, 49_153, 150_000]

  private static func digest(_ bytes: [UInt8], inPiecesOf count: Int) -> (checksum: Checksum, sums: BlockSums) {
    var digest = DocumentDigest()
    var rest = bytes[...]
    while !rest.isEmpty {
      digest.update(Array(rest.prefix(count)))
      rest = rest.dropFirst(count)
    }
    return (digest.current(), digest.sums)
  }

  private static func parts(_ bytes: [UInt8], _ size: Int) -> [[UInt8]] {
    stride(from: 0, to: bytes.count, by: size).map { Array(bytes[$0..<min(bytes.count, $0 + size)]) }
  }

  @Test(arguments: sizes) func piecesMakeNoDifference(_ size: Int) {
    let bytes = SeededRandom(seed: UInt64(size)).bytes(size)
    let expected = Self.parts(bytes, BlockSums.blockBytes).map { block in
      var quarters = Self.parts(block, 4096).map { CRC32C.portableValue($0) }
      quarters += [UInt32](repeating: 0, count: 4 - quarters.count)
      let joined = quarters.flatMap { sum in (0..<4).map { UInt8(truncatingIfNeeded: sum >> ($0 * 8)) } }
      return CRC32C.portableValue(joined)
    }
    for count in [1 + size / 50, 16_384, 40_000, size + 1] {
      let found = Self.digest(bytes, inPiecesOf: count)
      #expect(found.sums.values == expected, "\(size) bytes, \(count) at a time")
      #expect(found.checksum == SHA256.digest(bytes))
    }
    var copied = DocumentDigest()
    copied.update(Array(bytes.prefix(size / 3)))
    var copy = copied.copy()
    copied.update(bytes)
    copy.update(Array(bytes.dropFirst(size / 3)))
    #expect(copy.sums.values == expected)
  }

  /// What was hashed in memory before the document became large counts.
  @Test func goesOnWithADigest() {
    let bytes = SeededRandom(seed: 3).bytes(100_000)
    var early = SHA256()
    early.update(Array(bytes.prefix(40_000)))
    var digest = DocumentDigest(early, over: Array(bytes.prefix(40_000)))
    digest.update(Array(bytes.dropFirst(40_000)))
    #expect(digest.sums == Self.digest(bytes, inPiecesOf: 1000).sums)
    #expect(digest.current() == SHA256.digest(bytes))
  }

  @Test func everyFlippedBitInABlockIsSeen() {
    var bytes = SeededRandom(seed: 4).bytes(100_000)
    let sums = Self.digest(bytes, inPiecesOf: 100_000).sums
    for place in [0, 1, 4_096, 16_383, 16_384, 65_536, 98_303, 98_304, 99_999] {
      let first = place / BlockSums.blockBytes * BlockSums.blockBytes
      for count in [BlockSums.blockBytes, bytes.count] {
        let end = min(bytes.count, first + count)
        #expect(bytes[first..<end].withUnsafeBytes { sums.match($0, at: first) })
        bytes[place] ^= 1 << UInt8(place % 8)
        #expect(!bytes[first..<end].withUnsafeBytes { sums.match($0, at: first) })
        bytes[place] ^= 1 << UInt8(place % 8)
      }
    }
    let beyond = [UInt8](repeating: 0, count: 8)
    #expect(!beyond.withUnsafeBytes { sums.match($0, at: 7 * BlockSums.blockBytes) }, "no such block")
  }

  @Test(arguments: sizes) func aFileIsReadBackOrRefused(_ size: Int) {
    let bytes = SeededRandom(seed: UInt64(size)).bytes(size)
    let (checksum, sums) = Self.digest(bytes, inPiecesOf: 50_000)
    let file = sums.encoded(size: size, checksum: checksum)
    #expect(BlockSums(file, size: size, checksum: checksum) == sums)
    #expect(BlockSums(file, size: size + 1, checksum: checksum) == nil)
    #expect(BlockSums(file, size: size, checksum: SHA256.digest([1])) == nil)
    #expect(BlockSums(Array(file.dropLast()), size: size, checksum: checksum) == nil)
    #expect(BlockSums(file + [0], size: size, checksum: checksum) == nil)
    for place in file.indices {
      var broken = file
      broken[place] ^= 0x10
      #expect(BlockSums(broken, size: size, checksum: checksum) == nil, "byte \(place)")
    }
  }

  /// Version 1 as it was released: 70,000 bytes of 0, 1, … 250, 0, …
  @Test func theFirstVersionIsUnderstood() throws {
    let bytes = (0..<70_000).map { UInt8($0 % 251) }
    let (checksum, sums) = Self.digest(bytes, inPiecesOf: 70_000)
    let here = #filePath.split(separator: "/").dropLast().joined(separator: "/")
    let file = try #require(try RealDisk().contents("/\(here)/Fixtures/sums-v1.sums", limit: 65_536))
    #expect(BlockSums(file, size: bytes.count, checksum: checksum) == sums)
    #expect(file == sums.encoded(size: bytes.count, checksum: checksum))
  }
}
