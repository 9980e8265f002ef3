internal import Glibc

/// Why a wait ended without what it waited for.
public enum ReactorError: Error, Sendable, Hashable {
  /// The deadline passed; says what was waited for.
  case timedOut(String)
  /// The waiting task was cancelled, or what it waited on was closed under it.
  case cancelled
  /// A bounded queue is full; says which.
  case overloaded(String)
  /// A system call failed.
  case system(call: String, errno: CInt)
}

extension ReactorError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .timedOut(let what): "timed out: \(what)"
    case .cancelled: "cancelled"
    case .overloaded(let what): "overloaded: \(what)"
    case .system(let call, let errno): "\(call) failed: \(String(cString: strerror(errno))) (errno \(errno))"
    }
  }
}
