/// Where an input is cut into the pieces in which a network might deliver it: derived from the input, so that one file
/// always replays one run.
struct Pieces {
  private let seed: UInt64

  init(of input: [UInt8]) {
    // FNV-1a: any change of the input moves the cuts.
    seed = input.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
  }

  /// The whole first, two ways in between, and byte by byte (of short ones).
  func ways(_ bytes: [UInt8]) -> [[[UInt8]]] {
    var ways = [[bytes], cut(bytes, upTo: 7, way: 1), cut(bytes, upTo: 64, way: 2)]
    if bytes.count <= 128 { ways.append(bytes.map { [$0] }) }
    return ways
  }

  /// Up to `count` places within `0...limit`.
  func places(_ count: Int, upTo limit: Int) -> [Int] {
    var state = seed
    return (0..<count).map { _ in Int(Self.next(&state) % UInt64(limit + 1)) }
  }

  /// Pieces of 1 to `length` bytes; each `way` cuts otherwise.
  func cut(_ bytes: [UInt8], upTo length: Int, way: UInt64) -> [[UInt8]] {
    var state = seed &+ way
    var pieces: [[UInt8]] = []
    var start = 0
    while start < bytes.count {
      let end = min(bytes.count, start + 1 + Int(Self.next(&state) % UInt64(length)))
      pieces.append(Array(bytes[start..<end]))
      start = end
    }
    return pieces
  }

  /// A step of Knuth's generator; its high half.
  private static func next(_ state: inout UInt64) -> UInt64 {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return state >> 32
  }
}
