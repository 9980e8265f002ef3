public import Disk

/// Why the journal cannot be opened, read or written.
public enum JournalError: Error, Sendable, CustomStringConvertible {
  /// A write or sync failed: nothing more is written by this process.
  case failed(DiskError)
  /// No room for the next segment; later tries may succeed.
  case full(DiskError)
  /// The disk refused while the journal was being read or recovered.
  case disk(DiskError)
  /// Bytes that something later attests to are not what was written. `offset` is in bytes from the file's start.
  case damaged(file: String, offset: Int, reason: String)
  /// A sound file that does not belong here: another appliance's, another format's.
  case foreign(file: String, reason: String)

  public var isFull: Bool { if case .full = self { true } else { false } }

  public var description: String {
    switch self {
    case .failed(let error): "the journal failed and stays closed until a restart: \(error)"
    case .full(let error): "no room for the journal's next segment: \(error)"
    case .disk(let error): "reading the journal: \(error)"
    case .damaged(let file, let offset, let reason):
      "journal damaged: \(file) at byte \(offset): \(reason); run `artstore-appliance fsck` to see what it means"
    case .foreign(let file, let reason): "journal file \(file) does not belong here: \(reason)"
    }
  }
}
