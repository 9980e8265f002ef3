internal import HTTP

extension FuzzTarget {
  /// The reader's verdict does not depend on how much had arrived when it was asked, what it takes keeps its promises,
  /// and a head written again from what was read says the same.
  public static var requestHead: FuzzTarget {
    FuzzTarget("request-head", inputBytesMax: 2048) { input throws(Violation) in
      var limits = HeadLimits()
      limits.targetBytesMax = 1024
      let whole = HeadVerdict(input[...], limits)
      for place in Pieces(of: input).places(4, upTo: input.count) {
        let part = HeadVerdict(input[..<place], limits)
        switch (part, whole) {
        case (.incomplete, _): continue
        // An error found early stays that error; a whole head does not change by what follows.
        default: try require(part == whole, "\(part) after \(place) bytes, \(whole) after all \(input.count)")
        }
      }
      guard case .head(let facts) = whole else { return }
      try require(facts.consumed <= input.count, "took more than there was")
      try require(facts.path == "*" || facts.path.first == "/", "a path that begins with neither / nor *")
      try require(facts.path.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F }, "a control character in the path")
      try require(!facts.path.split(separator: "/").contains { $0 == "." || $0 == ".." }, "a dot segment")
      try require(!(facts.isChunked && facts.length != nil), "two lengths of one body")
      try require(facts.length.map { $0 >= 0 } ?? true, "a negative length")
      guard facts.method != .other else { return }
      let again = HeadVerdict(facts.written[...], limits)
      try require(again.means(whole), "written again it means \(again) instead of \(whole)")
    }
  }
}

/// What parsing came to, as far as it matters to whoever acts on it.
private enum HeadVerdict: Equatable {
  case incomplete
  case refused(Int)
  case head(Facts)

  struct Facts: Equatable {
    let consumed: Int
    let method: HTTPMethod
    let target: String
    let path: String
    let version: Int
    let length: Int?
    let isChunked: Bool
    let keepsAlive: Bool
    let expectsContinue: Bool
    let fields: [String]

    var written: [UInt8] {
      let line = "\(method.rawValue) \(target) HTTP/1.\(version)\r\n"
      return Array((line + fields.map { $0 + "\r\n" }.joined() + "\r\n").utf8)
    }
  }

  init(_ bytes: ArraySlice<UInt8>, _ limits: HeadLimits) {
    do throws(HTTPParseError) {
      guard let (head, consumed) = try RequestHead.parse(bytes.span, limits: limits) else {
        self = .incomplete
        return
      }
      self = .head(
        Facts(
          consumed: consumed, method: head.method, target: head.rawTarget, path: head.path,
          version: head.minorVersion, length: head.contentLength, isChunked: head.isChunked,
          keepsAlive: head.keepAlive, expectsContinue: head.expectsContinue,
          fields: head.headers.fields.map { "\($0.name): \($0.value)" }))
    } catch {
      self = .refused(error.status.rawValue)
    }
  }

  /// The same request, though blanks around values and bytes that are no UTF-8 may be written otherwise.
  func means(_ other: HeadVerdict) -> Bool {
    guard case .head(let a) = self, case .head(let b) = other else { return false }
    return a.method == b.method && a.path == b.path && a.length == b.length && a.isChunked == b.isChunked
      && a.keepsAlive == b.keepsAlive && a.expectsContinue == b.expectsContinue && a.version == b.version
      && a.fields == b.fields
  }
}
