internal import CLinux
internal import Glibc
internal import Synchronization

/// What a program is asked from outside.
public enum ProcessSignal: Sendable {
  case stop
  case reload
}

/// Where signals come from; injected, so that tests send their own.
public protocol SignalSource: Sendable {
  /// The next signal. Never returns if none comes, except with `.stop` when the task is cancelled.
  func next() async -> ProcessSignal
}

/// SIGTERM, SIGINT and SIGHUP of this process: a handler in C writes them to a pipe, one thread reads it, so that no
/// Swift code ever runs in a signal handler. One at a time in a process; when it goes, the default actions come back.
public final class ProcessSignals: SignalSource {
  private struct State {
    var pending: [ProcessSignal] = []
    var waiter: CheckedContinuation<ProcessSignal, Never>?
  }

  private let state = Mutex(State())

  public init() {
    // A write to a closed socket is an error to handle, not a reason to die.
    signal(SIGPIPE, SIG_IGN)
    let descriptor = clinux_catch_signals()
    precondition(descriptor >= 0, "signals are caught already, or no pipe could be made: errno \(errno)")
    SignalThread.start(descriptor: descriptor) { [weak self] number in
      self?.deliver(number == SIGHUP ? .reload : .stop)
    }
  }

  deinit { clinux_release_signals() }

  public func next() async -> ProcessSignal {
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let ready = state.withLock { state -> ProcessSignal? in
          if Task.isCancelled { return .stop }
          if !state.pending.isEmpty { return state.pending.removeFirst() }
          assert(state.waiter == nil, "one waiter at a time")
          state.waiter = continuation
          return nil
        }
        if let ready { continuation.resume(returning: ready) }
      }
    } onCancel: {
      let waiter = state.withLock { state in
        defer { state.waiter = nil }
        return state.waiter
      }
      waiter?.resume(returning: .stop)
    }
  }

  private func deliver(_ signal: ProcessSignal) {
    let waiter = state.withLock { state -> CheckedContinuation<ProcessSignal, Never>? in
      defer { state.waiter = nil }
      if state.waiter == nil, state.pending.count < 8 { state.pending.append(signal) }
      return state.waiter
    }
    waiter?.resume(returning: signal)
  }
}

/// The thread that reads the pipe. A free-standing type: a closure passed to pthread_create must not capture an actor.
private enum SignalThread {
  private final class Context: Sendable {
    let descriptor: CInt
    let handler: @Sendable (CInt) -> Void

    init(descriptor: CInt, handler: @escaping @Sendable (CInt) -> Void) {
      self.descriptor = descriptor
      self.handler = handler
    }
  }

  static func start(descriptor: CInt, handler: @escaping @Sendable (CInt) -> Void) {
    let context = Unmanaged.passRetained(Context(descriptor: descriptor, handler: handler))
    var thread = pthread_t()
    let status = pthread_create(
      &thread, nil,
      { argument in
        guard let argument else { return nil }
        let context = Unmanaged<Context>.fromOpaque(argument).takeRetainedValue()
        while true {
          let number = clinux_read_signal(context.descriptor)
          if number < 0 { return nil }
          context.handler(number)
        }
      }, context.toOpaque())
    precondition(status == 0, "cannot start the signal thread: \(status)")
    pthread_detach(thread)
  }
}
