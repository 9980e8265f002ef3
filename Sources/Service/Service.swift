/// A part of a program that runs from start to stop. It returns soon after `Shutdown.requested()` (finishing what is
/// under way), at once when its task is cancelled, and throws when it cannot go on: then the whole program stops.
public protocol Service: Sendable {
  /// Short, for logs: `api server`, `gc`.
  var name: String { get }

  func run() async throws
}

/// The graceful stop, seen from inside a service. Each service has its own, so that they can stop one after the other.
public enum Shutdown {
  @TaskLocal static var signal: ShutdownSignal?

  /// True once this service was asked to stop.
  public static var isRequested: Bool { signal?.isRaised ?? false }

  /// Returns when this service is asked to stop, or its task is cancelled. Outside a `ServiceGroup`: only on
  /// cancellation.
  public static func requested() async {
    if let signal { await signal.wait() } else { await ShutdownSignal().wait() }
  }

  /// Runs `body` as a service whose graceful stop is `signal`: for groups and tests.
  public static func with<R: Sendable>(_ signal: ShutdownSignal, _ body: () async throws -> R) async rethrows -> R {
    try await $signal.withValue(signal) { try await body() }
  }
}
