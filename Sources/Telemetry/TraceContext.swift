public import Core

/// Who caused this, across programs: W3C Trace Context (`traceparent`), level 1.
public struct TraceContext: Hashable, Sendable {
  /// 32 lower-case hexadecimal digits, not all zero.
  public let traceID: String
  /// 16 lower-case hexadecimal digits, not all zero.
  public let spanID: String
  public let isSampled: Bool

  public init(traceID: String, spanID: String, isSampled: Bool) {
    self.traceID = traceID
    self.spanID = spanID
    self.isSampled = isSampled
  }

  /// A new trace.
  public static func random(_ source: some RandomSource) -> TraceContext {
    let bytes = source.bytes(24)
    return TraceContext(traceID: Hex.encode(bytes.prefix(16)), spanID: Hex.encode(bytes.suffix(8)), isSampled: false)
  }

  /// Parses `version-traceid-parentid-flags`; nil for anything malformed, which then starts a new trace as the
  /// standard says.
  public init?(traceparent: String) {
    let parts = traceparent.split(separator: "-", omittingEmptySubsequences: false)
    guard parts.count >= 4, parts[0].count == 2, parts[0] != "ff", parts[0] != "00" || parts.count == 4,
      parts[1].count == 32, parts[2].count == 16, parts[3].count == 2,
      parts.prefix(4).allSatisfy({ $0.utf8.allSatisfy(Self.isLowerHex) }),
      parts[1].contains(where: { $0 != "0" }), parts[2].contains(where: { $0 != "0" }),
      let flags = UInt8(parts[3], radix: 16)
    else { return nil }
    self.init(traceID: String(parts[1]), spanID: String(parts[2]), isSampled: flags & 1 == 1)
  }

  /// False: it surely is not. For those who parse only what is worth it.
  public static func mayBeSampled(_ traceparent: String) -> Bool {
    let bytes = traceparent.utf8
    // Version, trace and span with their dashes, then the flags' second digit: its lowest bit is its byte's.
    guard bytes.count >= 55 else { return false }
    let digit = bytes[bytes.index(bytes.startIndex, offsetBy: 54)]
    return (digit < 0x3A ? digit : digit + 1) & 1 == 1
  }

  /// The header's value for a call that this work makes.
  public var traceparent: String { "00-\(traceID)-\(spanID)-\(isSampled ? "01" : "00")" }

  /// The same trace, a new span.
  public func child(_ source: some RandomSource) -> TraceContext {
    TraceContext(traceID: traceID, spanID: Hex.encode(source.bytes(8)), isSampled: isSampled)
  }

  private static func isLowerHex(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
  }
}
