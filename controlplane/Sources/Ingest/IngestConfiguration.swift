/// Limits of the ingester.
public struct IngestConfiguration: Sendable {
  /// Bytes of one document.
  public var fileBytesMax: Int
  /// Media types that are taken, by content; `image/*` stands for all of its kind; empty takes every type.
  public var allowedTypes: [String]
  /// Documents in one batch.
  public var batchFilesMax: Int

  public init(fileBytesMax: Int = 1 << 30, allowedTypes: [String] = [], batchFilesMax: Int = 100) {
    self.fileBytesMax = fileBytesMax
    self.allowedTypes = allowedTypes
    self.batchFilesMax = batchFilesMax
  }
}
