internal import HTTP

extension FuzzTarget {
  /// Whatever the field says, what is served lies inside the representation, in order, without overlap.
  public static var range: FuzzTarget {
    FuzzTarget("range", inputBytesMax: 1024) { input throws(Violation) in
      // Two bytes choose the size, so that small and huge ones both come up.
      guard input.count >= 2 else { return }
      let size = Int(input[0]) << Int(input[1] % 56)
      let header = String(decoding: input.dropFirst(2), as: UTF8.self)
      switch RangeRequest.parse(header, size: size) {
      case .none, .unsatisfiable: return
      case .single(let range): try check([range], size, atLeast: 1)
      case .multi(let ranges): try check(ranges, size, atLeast: 2)
      }
    }
  }

  private static func check(_ ranges: [ByteRange], _ size: Int, atLeast count: Int) throws(Violation) {
    try require(ranges.count >= count && ranges.count <= RangeRequest.rangesMax, "\(ranges.count) ranges")
    var end = -1
    for range in ranges {
      try require(range.first > end, "ranges overlap or are out of order")
      try require(range.last >= range.first && range.last < size, "\(range) of \(size)")
      try require(range.count == range.last - range.first + 1, "a wrong count")
      end = range.last
    }
    // What we would ask ourselves must come out as it is.
    let asked = "bytes=" + ranges.map { "\($0.first)-\($0.last)" }.joined(separator: ", ")
    let again: RangeRequest = ranges.count == 1 ? .single(ranges[0]) : .multi(ranges)
    try require(RangeRequest.parse(asked, size: size) == again, "\(asked) of \(size) is read otherwise")
  }
}
