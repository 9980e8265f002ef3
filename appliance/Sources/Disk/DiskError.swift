internal import Glibc

/// A file operation that failed: what was attempted, on what, why.
public struct DiskError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The call, e.g. `fdatasync`.
  public let operation: String
  public let path: String
  /// The kernel's error number.
  public let code: CInt
  /// Set for a lock that somebody holds: what the holder wrote about itself.
  public let holder: String?

  public init(_ operation: String, _ path: String, code: CInt, holder: String? = nil) {
    self.operation = operation
    self.path = path
    self.code = code
    self.holder = holder
  }

  public var isMissing: Bool { code == ENOENT }
  public var isTaken: Bool { code == EEXIST }
  /// No blocks, no quota, or no inodes left: later tries may succeed. A sync that says so is none of these: like any
  /// failed sync it may have dropped what was written, and is final.
  public var isFull: Bool { (code == ENOSPC || code == EDQUOT) && !isFailedSync }
  /// A sync failed: nothing is known about earlier writes, and the error is told once only.
  public var isFailedSync: Bool { ["fdatasync", "fsync", "syncfs"].contains(operation) }
  public var isLocked: Bool { holder != nil }
  /// The simulated power cut: nothing works until the machine is started again.
  public var isPowerCut: Bool { code == ESHUTDOWN }

  public static func powerCut(_ operation: String, _ path: String) -> DiskError {
    DiskError(operation, path, code: ESHUTDOWN)
  }

  public static func failed(_ operation: String, _ path: String) -> DiskError {
    DiskError(operation, path, code: EIO)
  }

  public static func full(_ operation: String, _ path: String) -> DiskError {
    DiskError(operation, path, code: ENOSPC)
  }

  public static func missing(_ operation: String, _ path: String) -> DiskError {
    DiskError(operation, path, code: ENOENT)
  }

  public static func taken(_ operation: String, _ path: String) -> DiskError {
    DiskError(operation, path, code: EEXIST)
  }

  public var description: String {
    if let holder { return "\(operation) \(path): held by \(holder)" }
    var buffer = [CChar](repeating: 0, count: 128)
    let status = strerror_r(code, &buffer, buffer.count)
    let text =
      status == 0 ? String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self) : ""
    return "\(operation) \(path): \(text.isEmpty ? "error \(code)" : text)"
  }
}
