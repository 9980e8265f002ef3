internal import CDisk
internal import Synchronization

/// A thread of its own for work that blocks all its life (the committer, the placer): the event loops and the pools of
/// the reactor must never stand in a sync. `join` waits for the end of `body`.
public final class DedicatedThread: Sendable {
  private let thread: UInt

  /// Starts `body` on a new thread. `name` is cut to 15 bytes. Throws `EAGAIN` when the system has no thread left.
  public init(_ name: String, _ body: @escaping @Sendable () -> Void) throws(DiskError) {
    let box = Unmanaged.passRetained(Box(body))
    var thread: UInt = 0
    let status = artstore_thread_start(&thread, String(name.prefix(15)), startDedicatedThread, box.toOpaque())
    guard status == 0 else {
      box.release()
      throw DiskError("start thread", name, code: status)
    }
    self.thread = thread
  }

  /// Waits until `body` has returned. Call once.
  public func join() { _ = artstore_thread_join(thread) }

  fileprivate final class Box: Sendable {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
  }
}

/// The C entry: a global function, so that no actor isolation is inferred for it.
private func startDedicatedThread(_ context: UnsafeMutableRawPointer?) {
  guard let context else { return }
  Unmanaged<DedicatedThread.Box>.fromOpaque(context).takeRetainedValue().body()
}
