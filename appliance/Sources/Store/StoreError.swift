public import Disk
public import Journal

/// Why a store cannot be opened or worked on.
public enum StoreError: Error, Sendable, CustomStringConvertible {
  /// Another process works on the data directory; `holder` names its pid.
  case locked(directory: String, holder: String)
  case disk(DiskError)
  case journal(JournalError)
  /// The index is unusable and could not be replaced.
  case index(String)
  /// Something of the data directory is not what it must be; the text says what and how to mend it.
  case invalid(String)

  public var description: String {
    switch self {
    case .locked(let directory, let holder): "\(directory) is in use by \(holder); stop that process first"
    case .disk(let error): "\(error)"
    case .journal(let error): "\(error)"
    case .index(let reason): "index: \(reason)"
    case .invalid(let reason): reason
    }
  }
}
