internal import Glibc

/// The bridge from a program's synchronous `main.swift` to its asynchronous work.
///
/// Not top-level `await`: that parks the main thread in libdispatch's `sigsuspend` with an *empty* mask, so that
/// SIGTERM and SIGHUP kill the process there although `ProcessSignals` has blocked them. This one parks it with the
/// mask kept.
public enum MainThread {
  /// Runs `body` off the main thread, waits for it, and ends the process with the status that it returns. Call it from
  /// the main thread, after `ProcessSignals()` where signals are to be taken over.
  public static func run(_ body: @escaping @Sendable () async -> Int32) -> Never {
    var ends: [CInt] = [-1, -1]
    precondition(pipe(&ends) == 0, "pipe failed: errno \(errno)")
    let writer = ends[1]
    // The one unstructured task of a program: everything else is its child.
    Task {
      var status = await body()
      let written = write(writer, &status, MemoryLayout<Int32>.size)
      precondition(written == MemoryLayout<Int32>.size, "the main thread cannot be woken: errno \(errno)")
    }
    var status: Int32 = 70
    while read(ends[0], &status, MemoryLayout<Int32>.size) < 0, errno == EINTR {}
    exit(status)
  }
}
