public import Telemetry

/// Answer to `GET /spans`: finished spans in the order in which they ended.
public struct SpanPage: Sendable, Hashable, Codable {
  public var spans: [TraceSpan]
  /// For `after` in the next call. It means nothing to another start of the appliance, which then begins anew.
  public var cursor: String
  public var hasMore: Bool
  /// So many ended since the last call and were overwritten before this one.
  public var missed: UInt64

  public static let limitMax = 1000

  enum CodingKeys: String, CodingKey {
    case spans, cursor, missed
    case hasMore = "has_more"
  }

  public init(_ page: SpanRing.Page) {
    spans = page.spans
    cursor = page.cursor
    hasMore = page.hasMore
    missed = page.missed
  }
}
