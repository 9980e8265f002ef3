/// How much of a multipart body's own framing is taken from outside; the parts' bodies are bounded by the caller.
public struct MultipartLimits: Sendable {
  public var partsMax = 512
  /// Fields of one part together.
  public var partHeaderBytesMax = 8_192
  /// What may stand before the first boundary.
  public var preambleBytesMax = 1_024

  public init() {}
}
