public import Core

/// How a storage element fills: what polls saw in the last 30 days, a point each two hours, and the line through them.
public struct CapacityTrend: Sendable, Hashable {
  public struct Point: Sendable, Hashable {
    public let at: Timestamp
    /// Means of the two hours.
    public let usedBytes: Int
    public let availableBytes: Int
    public let clockOffsetMilliseconds: Int64?

    public init(at: Timestamp, usedBytes: Int, availableBytes: Int, clockOffsetMilliseconds: Int64? = nil) {
      self.at = at
      self.usedBytes = usedBytes
      self.availableBytes = availableBytes
      self.clockOffsetMilliseconds = clockOffsetMilliseconds
    }
  }

  /// Oldest first; empty when nothing was seen.
  public let points: [Point]
  /// Nil while there is too little history to say. Negative when it empties.
  public let bytesPerDay: Double?
  /// Nil while there is too little history, and when it does not fill within a hundred years.
  public let daysToFull: Double?

  /// A line through less would be a guess.
  static let spanMin = Duration.seconds(86_400)
  static let pointsMin = 6
  private static let daysMax = 36_500.0

  public init(_ points: [Point]) {
    self.points = points
    guard let first = points.first, let last = points.last, points.count >= Self.pointsMin,
      last.at.since(first.at) >= Self.spanMin
    else {
      (bytesPerDay, daysToFull) = (nil, nil)
      return
    }
    let slope = Self.slope(points.map { ($0.at.since(first.at).inSeconds / 86_400, Double($0.usedBytes)) })
    bytesPerDay = slope
    let days = Double(last.availableBytes) / slope
    daysToFull = slope > 0 && days <= Self.daysMax ? days : nil
  }

  /// Of the line that is nearest by least squares.
  private static func slope(_ points: [(x: Double, y: Double)]) -> Double {
    let count = Double(points.count)
    let meanX = points.reduce(0) { $0 + $1.x } / count
    let meanY = points.reduce(0) { $0 + $1.y } / count
    let across = points.reduce(0) { $0 + ($1.x - meanX) * ($1.y - meanY) }
    let along = points.reduce(0) { $0 + ($1.x - meanX) * ($1.x - meanX) }
    return across / along
  }
}
