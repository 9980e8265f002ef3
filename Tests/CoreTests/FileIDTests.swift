import Core
import TestKit
import Testing

@Suite struct FileIDTests {
  @Test func textAndBytes() throws {
    let text = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
    let id = try #require(FileID(text))
    #expect(id.description == text && FileID(text.uppercased()) == id)
    #expect(id.bytes.prefix(4) == [0xF8, 0x1D, 0x4F, 0xAE])
    #expect(FileID(bytes: id.bytes[...]) == id)
    #expect(try JSON.decode([FileID].self, from: JSON.encode([id])) == [id])
  }

  @Test(arguments: [
    "", "f81d4fae-7dec-11d0-a765-00a0c91e6bf", "f81d4fae-7dec-11d0-a765-00a0c91e6bf67",
    "f81d4fae7dec-11d0-a765-00a0c91e6bf6-", "{f81d4fae-7dec-11d0-a765-00a0c91e6bf",
    "g81d4fae-7dec-11d0-a765-00a0c91e6bf6",
    "f81d4fae-7dec-11d0-a765_00a0c91e6bf6", "../../../../../../../../../../etc/p",
  ])
  func otherTextsAreNone(_ text: String) { #expect(FileID(text) == nil) }

  @Test func randomOnesAreVersion4() {
    let random = SeededRandom(seed: 1)
    for _ in 0..<100 {
      let text = Array(FileID.random(random).description)
      #expect(text[14] == "4" && "89ab".contains(text[19]))
    }
    #expect(FileID.random(random) != FileID.random(random))
  }

  @Test func ordersAsBytesAndTextDo() {
    let seed = TestSeed()
    let ids = (0..<200).map { _ in FileID.random(seed.random) } + [.lowest, .highest]
    let sorted = ids.sorted()
    #expect(sorted.map(\.description) == ids.map(\.description).sorted())
    #expect(zip(sorted, sorted.dropFirst()).allSatisfy { $0.bytes.lexicographicallyPrecedes($1.bytes) })
    #expect(sorted.first == .lowest && sorted.last == .highest)
  }

  /// The seed replays: published outputs of SplitMix64 for the seed 1234567.
  @Test func seededRandomnessIsSplitMix64() {
    let bytes = SeededRandom(seed: 1_234_567).bytes(16)
    let words = [0, 8].map { start in (0..<8).reduce(UInt64(0)) { $0 | UInt64(bytes[start + $1]) << UInt64(8 * $1) } }
    #expect(words == [6_457_827_717_110_365_317, 3_203_168_211_198_807_973])
    #expect(SystemRandom().bytes(600).count == 600)
    #expect(SystemRandom().bytes(32) != SystemRandom().bytes(32))
  }
}
