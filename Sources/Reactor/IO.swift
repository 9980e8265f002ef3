internal import CLinux
internal import Glibc

/// Waiting from a task: on a loop's thread the loop serves it, elsewhere the process's spare loop does.
public enum IO {
  /// Serves tasks that run on no loop. Started at first use; a process has it for its whole life.
  private static let spare: Result<EventLoop, ReactorError> = {
    do throws(ReactorError) {
      let loop = try EventLoop(index: 0)
      _ = try Thread { loop.run() }
      return .success(loop)
    } catch {
      return .failure(error)
    }
  }()

  static func loop() throws(ReactorError) -> EventLoop {
    if let current = EventLoop.current { return current }
    return try spare.get()
  }

  /// Waits once until `fd` can be read or written (either, when both are asked for), hung up or failed. For descriptors
  /// that other libraries own; several tasks may wait on one. The descriptor must stay open meanwhile.
  public static func wait(_ fd: CInt, for interest: Interest, timeout: Duration) async throws(ReactorError) {
    let loop = try loop()
    let waiter = DescriptorWaiter(fd: fd, interest: interest, loop: loop)
    try await waiter.wait(until: .after(timeout))
  }

  /// Suspends for `duration`; throws `.cancelled` when the task is cancelled.
  public static func sleep(_ duration: Duration) async throws(ReactorError) {
    let loop = try loop()
    let sleeper = DescriptorWaiter(fd: -1, interest: [], loop: loop)
    do {
      try await sleeper.wait(until: .after(duration))
    } catch .timedOut {
      return
    }
  }
}
