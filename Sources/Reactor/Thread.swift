internal import CLinux
internal import Glibc

/// A thread of the operating system with all signals blocked: signals are the service group's business.
struct Thread: Sendable {
  private let handle: pthread_t

  init(_ body: @escaping @Sendable () -> Void) throws(ReactorError) {
    var everything = sigset_t()
    var before = sigset_t()
    sigfillset(&everything)
    pthread_sigmask(SIG_SETMASK, &everything, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    var handle = pthread_t()
    let box = Unmanaged.passRetained(ThreadBody(body))
    let status = pthread_create(&handle, nil, runThreadBody, box.toOpaque())
    guard status == 0 else {
      box.release()
      throw .system(call: "pthread_create", errno: status)
    }
    self.handle = handle
  }

  func join() { pthread_join(handle, nil) }
}

private final class ThreadBody {
  let run: @Sendable () -> Void

  init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}

/// A global function: a closure made in a main-actor context would carry that isolation into the thread and trap.
private func runThreadBody(_ box: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  if let box { Unmanaged<ThreadBody>.fromOpaque(box).takeRetainedValue().run() }
  return nil
}
