public import Core
public import Disk
public import StorageAPI

/// A document opened for reading. It stays readable when the document is removed meanwhile.
public struct StoredDocument: Sendable {
  public let record: FileRecord
  public let body: Body

  public enum Body: Sendable {
    /// Not yet in place: served from memory.
    case bytes([UInt8])
    /// `file.descriptor` may be sent from directly; it closes with the last reference.
    case file(any DiskFile)
  }
}

/// A durable change: the record as it stands after it, and its place in history.
public struct Committed: Sendable {
  public let record: FileRecord
  /// The record as the API returns it.
  public let json: [UInt8]
  public let position: Position
}

/// A committed change of mode.
public struct CommittedTransition: Sendable, Hashable {
  public let previous: ApplianceMode
  public let current: ApplianceMode
  public let at: Timestamp
  public let position: Position
}
