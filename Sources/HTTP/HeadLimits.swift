/// How much of a request head is taken from outside.
public struct HeadLimits: Sendable {
  /// Request line and fields together; beyond it 431.
  public var bytesMax = 16_384
  /// Beyond it 431.
  public var fieldsMax = 100
  /// Of the request target; beyond it 414.
  public var targetBytesMax = 8_192

  public init() {}
}
