internal import Configuration
internal import Disk
internal import Store

/// Why a command did not do what it was asked, and the exit status that says which kind of reason it was (sysexits.h).
enum CommandFailure: Error {
  /// 64: typed wrongly.
  case usage(String)
  /// 73: another process holds the data directory; the text names its pid.
  case locked(String)
  /// 74: a disk or a file.
  case io(String)
  /// 78: the configuration; the text names the key.
  case configuration(String)
  /// 1: the work was done and found something wrong.
  case findings(String)
  /// 75: cannot be done in the present state.
  case refused(String)
  /// 70: anything else.
  case software(String)

  var status: Int32 {
    switch self {
    case .findings: 1
    case .usage: 64
    case .software: 70
    case .locked: 73
    case .io: 74
    case .refused: 75
    case .configuration: 78
    }
  }

  var text: String {
    switch self {
    case .usage(let text), .locked(let text), .io(let text), .configuration(let text), .findings(let text),
      .refused(let text), .software(let text):
      text
    }
  }

  init(_ error: any Error) {
    switch error {
    case let failure as CommandFailure: self = failure
    case let error as ConfigurationError: self = .configuration(error.description)
    case let error as DiskError: self = error.isLocked ? .locked(error.description) : .io(error.description)
    case let error as StoreError:
      if case .locked = error { self = .locked(error.description) } else { self = .io(error.description) }
    default: self = .software(String(describing: error))
    }
  }
}
