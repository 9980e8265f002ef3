internal import Core
public import Telemetry

/// Owns a program's services: starts them in order, stops them gracefully in reverse (each gets `gracePeriod`, then is
/// cancelled), and turns signals into that: SIGTERM and SIGINT stop, a second one stops at once, SIGHUP reloads.
/// The first service that ends or fails stops all others.
public struct ServiceGroup: Sendable {
  /// A service ended although nobody asked it to.
  public struct EndedUnexpectedly: Error, CustomStringConvertible {
    public let service: String
    public var description: String { "the service '\(service)' ended although it was not asked to" }
  }

  private let services: [any Service]
  private let logger: Logger
  private let gracePeriod: Duration
  private let reload: @Sendable () async -> Void

  public init(
    _ services: [any Service], logger: Logger, gracePeriod: Duration = .seconds(30),
    reload: @escaping @Sendable () async -> Void = {}
  ) {
    self.services = services
    self.logger = logger
    self.gracePeriod = gracePeriod
    self.reload = reload
  }

  /// Runs until a signal or a failure; throws the failure.
  public func run() async throws { try await run(signals: ProcessSignals()) }

  /// With a source of signals of the caller's: for tests.
  public func run(signals: some SignalSource) async throws {
    let running = services.map { RunningService($0) }
    try await withThrowingTaskGroup(of: Event.self) { group in
      for service in running {
        logger.debug("starting", ["service": .string(service.service.name)])
        group.addTask { await .ended(service.service.name, service.run()) }
      }
      group.addTask { .signal(await signals.next()) }
      var state = State(runningCount: running.count)
      while !state.isOver, let event = try await group.next() {
        switch state.take(event, logger) {
        case .nothing: break
        case .reload:
          group.addTask { [reload] in
            await reload()
            return .reloaded
          }
        case .stop:
          group.addTask {
            await stop(running)
            return .stopped
          }
        case .cancel: for service in running { service.cancellation.raise() }
        }
        if case .signal = event { group.addTask { .signal(await signals.next()) } }
      }
      group.cancelAll()
      if let failure = state.failure { throw failure }
    }
  }

  private func stop(_ running: [RunningService]) async {
    for service in running.reversed() {
      service.signal.raise()
      let isDone = await service.finished(within: gracePeriod)
      if !isDone {
        logger.warning("a service did not stop in time and is cancelled", ["service": .string(service.service.name)])
        service.cancellation.raise()
        await service.done.wait()
      }
    }
  }
}

extension ServiceGroup {
  private enum Event: Sendable {
    case ended(String, (any Error)?)
    case signal(ProcessSignal)
    case reloaded
    case stopped
  }

  private enum Action {
    case nothing, reload, stop, cancel
  }

  /// What the group has seen, and what follows from it: events in, actions out.
  private struct State {
    var runningCount: Int
    var isStopping = false
    var isStopped = false
    var isReloading = false
    var wantsReload = false
    var failure: (any Error)?

    var isOver: Bool { isStopped && runningCount == 0 }

    mutating func take(_ event: Event, _ logger: Logger) -> Action {
      switch event {
      case .signal(.reload):
        guard !isStopping else { return .nothing }
        guard !isReloading else {
          wantsReload = true
          return .nothing
        }
        isReloading = true
        logger.notice("reloading")
        return .reload
      case .reloaded:
        isReloading = wantsReload && !isStopping
        wantsReload = false
        return isReloading ? .reload : .nothing
      case .signal(.stop):
        guard !isStopping else {
          logger.warning("asked to stop again: stopping at once")
          return .cancel
        }
        logger.notice("stopping")
        isStopping = true
        return .stop
      case .stopped:
        isStopped = true
        return .nothing
      case .ended(let name, let error):
        runningCount -= 1
        return ended(name, error, logger)
      }
    }

    private mutating func ended(_ name: String, _ error: (any Error)?, _ logger: Logger) -> Action {
      if isStopping {
        guard let error, !(error is CancellationError) else { return .nothing }
        logger.error("a service failed while stopping", ["service": .string(name), "error": .error(error)])
        failure = failure ?? error
        return .nothing
      }
      let reason = error ?? EndedUnexpectedly(service: name)
      logger.error("a service ended, stopping all", ["service": .string(name), "error": .error(reason)])
      failure = reason
      isStopping = true
      return .stop
    }
  }
}

/// One service with its own graceful stop and its own cancellation.
private struct RunningService: Sendable {
  let service: any Service
  let signal = ShutdownSignal()
  let cancellation = ShutdownSignal()
  let done = ShutdownSignal()

  init(_ service: any Service) { self.service = service }

  /// Nil when the service returned after it was asked to, or without an error.
  func run() async -> (any Error)? {
    defer { done.raise() }
    return await withTaskGroup(of: (any Error)?.self) { group in
      group.addTask {
        do {
          try await Shutdown.with(signal) { try await service.run() }
          return nil
        } catch {
          return error
        }
      }
      group.addTask {
        await cancellation.wait()
        return CancellationError()
      }
      let first = await group.next() ?? nil
      group.cancelAll()
      return first
    }
  }

  func finished(within period: Duration) async -> Bool {
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await done.wait() }
      group.addTask {
        // Ends early only when cancelled, which means that `done` was first.
        try? await Task.sleep(for: period)  // a cancelled sleep is the normal end here
      }
      await group.next()
      group.cancelAll()
    }
    return done.isRaised
  }
}
