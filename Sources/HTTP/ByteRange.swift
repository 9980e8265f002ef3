/// Bytes `first` to `last`, both included, of a representation (RFC 9110 §14.1.2). Never empty.
public struct ByteRange: Hashable, Sendable {
  public let first: Int
  public let last: Int

  public init(first: Int, last: Int) {
    precondition(first >= 0 && last >= first, "a byte range holds at least one byte")
    self.first = first
    self.last = last
  }

  public var count: Int { last - first + 1 }

  /// `Content-Range` of a 206 (RFC 9110 §14.4).
  public func contentRange(of size: Int) -> String { "bytes \(first)-\(last)/\(size)" }
}

/// What a `Range` field asks of a representation whose size is known. Parsed once; knows its 206 and 416.
public enum RangeRequest: Hashable, Sendable {
  /// No range, or one to be ignored (RFC 9110 §14.2): answer 200 with everything.
  case none
  case single(ByteRange)
  /// Two or more ranges in ascending order, coalesced, at most `rangesMax`: answer with `multipart/byteranges`.
  case multi([ByteRange])
  /// Answer 416 with `unsatisfiedContentRange`.
  case unsatisfiable

  /// More specifications than this in one field are an attack (RFC 9110 §17.15) and ignored.
  public static let specificationsMax = 64
  /// More parts than this after coalescing are not served: the whole is.
  public static let rangesMax = 16
  /// Ranges closer than this are sent as one: a part's own header costs as much.
  static let gapMax = 80

  /// `Content-Range` of a 416.
  public static func unsatisfiedContentRange(size: Int) -> String { "bytes */\(size)" }

  /// - Parameters:
  ///   - header: the field's value, nil when absent.
  ///   - size: bytes of the whole representation.
  public static func parse(_ header: String?, size: Int) -> RangeRequest {
    guard let header else { return .none }
    if let (first, last) = Specification.plain(header), first < size {
      return .single(ByteRange(first: first, last: min(last, size - 1)))
    }
    guard let specifications = Specification.list(header) else { return .none }
    if size == 0, specifications.contains(where: \.isNonEmptySuffix) { return .none }
    let ranges = coalesce(specifications.compactMap { $0.resolve(size: size) })
    return switch ranges.count {
    case 0: .unsatisfiable
    case 1: .single(ranges[0])
    case ...rangesMax: .multi(ranges)
    default: .none
    }
  }

  private static func coalesce(_ ranges: [ByteRange]) -> [ByteRange] {
    guard ranges.count > 1 else { return ranges }
    var merged: [ByteRange] = []
    for range in ranges.sorted(by: { ($0.first, $0.last) < ($1.first, $1.last) }) {
      if let previous = merged.last, range.first - previous.last - 1 < gapMax {
        merged[merged.count - 1] = ByteRange(first: previous.first, last: max(previous.last, range.last))
      } else {
        merged.append(range)
      }
    }
    return merged
  }

  /// One `range-spec` before the size is known.
  private enum Specification {
    case from(Int)
    case between(Int, Int)
    case suffix(Int)

    var isNonEmptySuffix: Bool {
      if case .suffix(let count) = self { count > 0 } else { false }
    }

    func resolve(size: Int) -> ByteRange? {
      switch self {
      case .from(let first): first < size ? ByteRange(first: first, last: size - 1) : nil
      case .between(let first, let last): first < size ? ByteRange(first: first, last: min(last, size - 1)) : nil
      case .suffix(let count): count > 0 && size > 0 ? ByteRange(first: max(0, size - count), last: size - 1) : nil
      }
    }

    /// What nearly every client sends, `bytes=first-last`, read from its bytes; nil for anything else.
    static func plain(_ header: String) -> (first: Int, last: Int)? {
      var header = header
      return header.withUTF8 { bytes in
        let unit: StaticString = "bytes="
        guard bytes.count > 8, (0..<6).allSatisfy({ bytes[$0] == unit.utf8Start[$0] }) else { return nil }
        var index = 6
        func number() -> Int? {
          let start = index
          var value = 0
          while index < bytes.count, bytes[index] &- 0x30 < 10, index - start < 18 {
            value = value * 10 + Int(bytes[index] &- 0x30)
            index += 1
          }
          return index > start ? value : nil
        }
        guard let first = number(), index < bytes.count, bytes[index] == UInt8(ascii: "-") else { return nil }
        index += 1
        guard let last = number(), index == bytes.count, first <= last else { return nil }
        return (first, last)
      }
    }

    /// nil for another unit or any violated grammar: then the whole field counts for nothing.
    static func list(_ header: String) -> [Specification]? {
      let unit = "bytes="
      guard header.utf8.count > unit.utf8.count, header.prefix(unit.count).equalsIgnoringASCIICase(unit) else {
        return nil
      }
      var found: [Specification] = []
      for element in header.dropFirst(unit.count).split(separator: ",", omittingEmptySubsequences: false) {
        let text = element.trimmingOptionalWhitespace()
        if text.isEmpty { continue }
        guard found.count < specificationsMax, let specification = Specification(text) else { return nil }
        found.append(specification)
      }
      return found.isEmpty ? nil : found
    }

    init?(_ text: Substring) {
      guard let dash = text.firstIndex(of: "-") else { return nil }
      let before = text[..<dash]
      let after = text[text.index(after: dash)...]
      switch (Self.number(before), Self.number(after)) {
      case (let first?, let last?) where first <= last: self = .between(first, last)
      case (let first?, nil) where after.isEmpty: self = .from(first)
      case (nil, let count?) where before.isEmpty: self = .suffix(count)
      default: return nil
      }
    }

    /// Digits only; what exceeds Int counts as the largest.
    private static func number(_ digits: Substring) -> Int? {
      guard !digits.isEmpty, digits.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else {
        return nil
      }
      return Int(digits) ?? Int.max
    }
  }
}

extension StringProtocol {
  /// Without the spaces and tabs around it (OWS, RFC 9110 §5.6.3).
  func trimmingOptionalWhitespace() -> SubSequence {
    func isBlank(_ character: Character) -> Bool { character == " " || character == "\t" }
    guard let first = firstIndex(where: { !isBlank($0) }), let last = lastIndex(where: { !isBlank($0) }) else {
      return self[endIndex...]
    }
    return self[first...last]
  }
}
