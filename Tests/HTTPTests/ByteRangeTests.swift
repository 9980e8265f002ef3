import HTTP
import TestKit
import Testing

struct ByteRangeTests {
  static func single(_ first: Int, _ last: Int) -> RangeRequest { .single(ByteRange(first: first, last: last)) }

  @Test(arguments: [
    ("bytes=0-0", 1000, single(0, 0)), ("bytes=0-", 1000, single(0, 999)), ("bytes=999-", 1000, single(999, 999)),
    ("bytes=-1", 1000, single(999, 999)), ("bytes=-5000", 1000, single(0, 999)), ("BYTES=1-2", 1000, single(1, 2)),
    ("bytes=5-99999999999999999999", 1000, single(5, 999)), ("bytes= 1-2 , ", 1000, single(1, 2)),
    ("bytes=1000-", 1000, .unsatisfiable), ("bytes=-0", 1000, .unsatisfiable), ("bytes=0-", 0, .unsatisfiable),
    ("bytes=-5", 0, .none), ("bytes=2-1", 1000, .none), ("bytes=a-b", 1000, .none), ("bytes=", 1000, .none),
    ("items=0-1", 1000, .none), ("bytes=1-2;3-4", 1000, .none), ("bytes=+1-2", 1000, .none), ("bytes=-", 1000, .none),
    ("bytes 0-1", 1000, .none), ("bytes=0-1,x", 1000, .none), ("bytes=0-9,5-20", 1000, single(0, 20)),
    ("bytes=0-9,50-60", 1000, single(0, 60)), ("bytes=5000-,0-0", 1000, single(0, 0)),
  ])
  func readsRanges(_ header: String, _ size: Int, _ expected: RangeRequest) {
    #expect(RangeRequest.parse(header, size: size) == expected)
  }

  @Test func severalFarApartStaySeveral() {
    #expect(
      RangeRequest.parse("bytes=500-509,0-9,-1", size: 1000)
        == .multi([.init(first: 0, last: 9), .init(first: 500, last: 509), .init(first: 999, last: 999)]))
  }

  @Test func boundsTheirNumber() {
    let far = (0..<17).map { "\($0 * 1000)-\($0 * 1000)" }.joined(separator: ",")
    #expect(RangeRequest.parse("bytes=\(far)", size: 100_000) == .none)
    let near = (0..<65).map { "\($0)-\($0)" }.joined(separator: ",")
    #expect(RangeRequest.parse("bytes=\(near)", size: 100_000) == .none)
    #expect(RangeRequest.parse(nil, size: 10) == .none)
  }

  /// Whatever is asked, the answer lies inside, is ascending, does not overlap, and covers exactly what was asked for
  /// but for small gaps.
  @Test func anyRangesAreCovered() {
    let seed = TestSeed()
    for _ in 0..<3000 {
      let size = 1 + seed.below(5000)
      var wanted = Set<Int>()
      let texts = (0...seed.below(6)).map { _ -> String in
        let first = seed.below(size + 200)
        switch seed.below(3) {
        case 0:
          let last = first + seed.below(300)
          wanted.formUnion((first...last).filter { $0 < size })
          return "\(first)-\(last)"
        case 1:
          if first < size { wanted.formUnion(first..<size) }
          return "\(first)-"
        default:
          wanted.formUnion(max(0, size - first)..<size)
          return "-\(first)"
        }
      }
      let ranges: [ByteRange]
      switch RangeRequest.parse("bytes=" + texts.joined(separator: ","), size: size) {
      case .single(let range): ranges = [range]
      case .multi(let several): ranges = several
      case .unsatisfiable, .none: ranges = []
      }
      let given = ranges.reduce(into: Set<Int>()) { $0.formUnion($1.first...$1.last) }
      #expect(given.isSuperset(of: wanted), "\(texts) of \(size), \(seed)")
      #expect(given.allSatisfy { $0 < size } && wanted.isEmpty == given.isEmpty, "\(texts) of \(size), \(seed)")
      #expect(given.count == ranges.map(\.count).reduce(0, +))
      #expect(zip(ranges, ranges.dropFirst()).allSatisfy { $0.last + 80 < $1.first }, "\(texts), \(seed)")
    }
  }

  @Test func tellsContentRange() {
    #expect(ByteRange(first: 0, last: 4).contentRange(of: 10) == "bytes 0-4/10")
    #expect(RangeRequest.unsatisfiedContentRange(size: 10) == "bytes */10")
  }
}
