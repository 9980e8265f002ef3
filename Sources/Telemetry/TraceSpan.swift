public import Core

/// One finished piece of work of a trace. It says nothing about people or documents: the name is a route's, never a
/// path's, and no token, subject or address is in it.
public struct TraceSpan: Sendable, Hashable, Codable {
  /// 32 lower-case hexadecimal digits.
  public var traceID: String
  /// 16 lower-case hexadecimal digits.
  public var spanID: String
  /// The caller's span; nil where the trace began here.
  public var parentID: String?
  /// Method and route: `GET /api/v1/files/{file_id}`.
  public var name: String
  public var start: Timestamp
  public var durationMicroseconds: Int64
  /// HTTP's.
  public var status: Int
  /// The answer was cut off, or the server's own fault.
  public var failed: Bool

  enum CodingKeys: String, CodingKey {
    case name, start, status, failed
    case traceID = "trace_id"
    case spanID = "span_id"
    case parentID = "parent_id"
    case durationMicroseconds = "duration_us"
  }

  public init(
    traceID: String, spanID: String, parentID: String?, name: String, start: Timestamp, durationMicroseconds: Int64,
    status: Int, failed: Bool
  ) {
    self.traceID = traceID
    self.spanID = spanID
    self.parentID = parentID
    self.name = name
    self.start = start
    self.durationMicroseconds = durationMicroseconds
    self.status = status
    self.failed = failed
  }
}
