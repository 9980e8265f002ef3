internal import Glibc

/// A protection that the kernel has and would not put in force: what was attempted, on what, why.
public struct SandboxError: Error, Sendable, Hashable, CustomStringConvertible {
  public let operation: String
  public let code: CInt

  init(_ operation: String, code: CInt) {
    self.operation = operation
    self.code = code
  }

  public var description: String { "\(operation): \(String(cString: strerror(code))) (errno \(code))" }
}

/// Whether a protection holds.
public enum Protection: Sendable, Hashable, CustomStringConvertible {
  /// In force; in which form.
  case active(String)
  /// This kernel does not have it.
  case unavailable(String)
  /// Configured off.
  case off

  public var isActive: Bool { if case .active = self { true } else { false } }

  public var description: String {
    switch self {
    case .active(let form): form
    case .unavailable(let reason): "unavailable: \(reason)"
    case .off: "off"
    }
  }
}
