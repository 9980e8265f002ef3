import Glibc

/// A thread of its own for what cannot be undone: protections bind it and what it makes, not the test process.
enum FencedThread {
  private final class Box {
    let body: @Sendable () -> String
    var result = ""

    init(_ body: @escaping @Sendable () -> String) { self.body = body }
  }

  /// What `body` returns.
  static func run(_ body: @escaping @Sendable () -> String) -> String {
    let box = Unmanaged.passRetained(Box(body))
    var thread = pthread_t()
    let status = pthread_create(&thread, nil, fencedThreadBody, box.toOpaque())
    precondition(status == 0)
    pthread_join(thread, nil)
    return box.takeRetainedValue().result
  }

  fileprivate static func call(_ pointer: UnsafeMutableRawPointer) {
    let box = Unmanaged<Box>.fromOpaque(pointer).takeUnretainedValue()
    box.result = box.body()
  }

  /// "ok", or the name of the errno.
  static func outcome(_ status: CInt) -> String {
    if status >= 0 { return "ok" }
    return switch errno {
    case EPERM: "EPERM"
    case EACCES: "EACCES"
    case EXDEV: "EXDEV"
    case let other: "errno \(other)"
    }
  }
}

/// A global function: a closure would carry its context's isolation into the thread.
private func fencedThreadBody(_ pointer: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  if let pointer { FencedThread.call(pointer) }
  return nil
}
