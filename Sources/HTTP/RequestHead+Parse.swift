extension RequestHead {
  /// Parses one head at the start of `bytes`, strictly (RFC 9112): no obs-fold, no bare CR or LF, no blank before a
  /// colon, never both `Content-Length` and `Transfer-Encoding`, one `Host`.
  /// - Returns: the head and how many bytes it took; nil when it is not complete yet.
  public static func parse(
    _ bytes: Span<UInt8>, limits: HeadLimits = HeadLimits()
  ) throws(HTTPParseError) -> (head: RequestHead, consumed: Int)? {
    var parser = HeadParser(limits: limits)
    guard let consumed = try parser.parse(bytes) else {
      if bytes.count >= limits.bytesMax { throw HTTPParseError(.headerFieldsTooLarge, "the head is too long") }
      return nil
    }
    if consumed > limits.bytesMax { throw HTTPParseError(.headerFieldsTooLarge, "the head is too long") }
    parser.head.bytes = [UInt8](unsafeUninitializedCapacity: consumed) { buffer, count in
      bytes.withUnsafeBufferPointer { source in
        _ = buffer.update(fromContentsOf: source.extracting(..<consumed))
      }
      count = consumed
    }
    parser.head.target = parser.target
    try parser.head.resolveTarget()
    return (RequestHead(parser.content()), consumed)
  }

}

extension RequestHead.Content {
  /// Fills `path` and `query` (RFC 9112 §3.2).
  fileprivate mutating func resolveTarget() throws(HTTPParseError) {
    let place = target
    if isPlain(place) {
      path = bytes.withUnsafeBufferPointer {
        String(decoding: UnsafeBufferPointer(rebasing: $0[place]), as: UTF8.self)
      }
      return
    }
    let target = bytes[place]
    if target.contains(UInt8(ascii: "#")) { throw HTTPParseError(.badRequest, "the target holds a fragment") }
    if target.first == UInt8(ascii: "/") { return try resolveOrigin(target) }
    if method == .options, target.elementsEqual(CollectionOfOne(UInt8(ascii: "*"))) {
      path = "*"
      return
    }
    guard let authority = Self.authorityStart(target) else {
      throw HTTPParseError(.badRequest, "the request target is neither a path nor an http(s) URI")
    }
    let origin = target[authority...].firstIndex { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "?") }
    try checkAuthority(authority..<(origin ?? target.endIndex))
    guard let origin else { return }
    if target[origin] == UInt8(ascii: "?") {
      query = try Self.parseQuery(target[(origin + 1)...])
    } else {
      try resolveOrigin(target[origin...])
    }
  }

  /// Whether a target is a path without anything to resolve or refuse: what nearly every request has, seen in one pass.
  private func isPlain(_ target: Range<Int>) -> Bool {
    let bytes = bytes.span
    guard bytes[target.lowerBound] == UInt8(ascii: "/") else { return false }
    var isAfterSlash = false
    for index in target {
      switch bytes[index] {
      case UInt8(ascii: "?"), UInt8(ascii: "#"), UInt8(ascii: "%"): return false
      case UInt8(ascii: ".") where isAfterSlash: return false
      case let byte: isAfterSlash = byte == UInt8(ascii: "/")
      }
    }
    return true
  }

  /// The authority of an absolute target must say what `Host` says. RFC 9112 §3.2.2 lets the target win; whoever routed
  /// the request by `Host` before us would have meant another site, so nobody wins.
  private func checkAuthority(_ authority: Range<Int>) throws(HTTPParseError) {
    guard HostGrammar.isAuthority(bytes.span, authority) else {
      throw HTTPParseError(.badRequest, "the target names no host")
    }
    guard host.isEmpty || bytes[host].elementsEqual(bytes[authority], by: { Self.lowered($0) == Self.lowered($1) })
    else { throw HTTPParseError(.badRequest, "the target and Host name different hosts") }
  }

  private static func lowered(_ byte: UInt8) -> UInt8 { byte &- 0x41 < 26 ? byte | 0x20 : byte }

  private static func authorityStart(_ target: ArraySlice<UInt8>) -> Int? {
    for scheme in ["http://", "https://"] where target.count > scheme.utf8.count {
      let prefix = target.prefix(scheme.utf8.count).map { $0 | 0x20 }
      if prefix.elementsEqual(scheme.utf8.map { $0 | 0x20 }) { return target.startIndex + scheme.utf8.count }
    }
    return nil
  }

  private mutating func resolveOrigin(_ target: ArraySlice<UInt8>) throws(HTTPParseError) {
    let mark = target.firstIndex(of: UInt8(ascii: "?"))
    let rawPath = target[..<(mark ?? target.endIndex)]
    if rawPath.contains(UInt8(ascii: "%")) {
      guard let decoded = PercentEncoding.decode(rawPath), let text = String(validating: decoded, as: UTF8.self) else {
        throw HTTPParseError(.badRequest, "the path is not percent-encoded UTF-8")
      }
      let slashes = rawPath.count { $0 == UInt8(ascii: "/") }
      guard decoded.count(where: { $0 == UInt8(ascii: "/") }) == slashes else {
        throw HTTPParseError(.badRequest, "the path holds an encoded slash")
      }
      guard decoded.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else {
        throw HTTPParseError(.badRequest, "the path holds a control character")
      }
      try Self.refuseDotSegments(decoded[...])
      path = text
    } else {
      try Self.refuseDotSegments(rawPath)
      path = String(decoding: rawPath, as: UTF8.self)
    }
    if let mark { query = try Self.parseQuery(target[(mark + 1)...]) }
  }

  private static func parseQuery(_ bytes: ArraySlice<UInt8>) throws(HTTPParseError) -> QueryItems {
    do { return try QueryItems.parse(bytes: bytes) } catch { throw HTTPParseError(.badRequest, error.message) }
  }

  /// `.` and `..` between slashes: whoever resolves them differently from us opens a hole, so nobody does.
  private static func refuseDotSegments(_ path: ArraySlice<UInt8>) throws(HTTPParseError) {
    var dots = 0
    var others = 0
    for byte in path {
      if byte == UInt8(ascii: "/") {
        if others == 0, dots == 1 || dots == 2 { throw HTTPParseError(.badRequest, "the path holds a dot segment") }
        dots = 0
        others = 0
      } else if byte == UInt8(ascii: ".") {
        dots += 1
      } else {
        others += 1
      }
    }
    if others == 0, dots == 1 || dots == 2 { throw HTTPParseError(.badRequest, "the path holds a dot segment") }
  }
}
