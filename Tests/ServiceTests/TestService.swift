import Synchronization

@testable import Service

/// A service made of a closure.
struct TestService: Service {
  let name: String
  let body: @Sendable () async throws -> Void

  init(_ name: String, _ body: @escaping @Sendable () async throws -> Void) {
    self.name = name
    self.body = body
  }

  func run() async throws { try await body() }
}

/// What happened, in order; tests wait for it instead of sleeping.
final class Journal: Sendable {
  private let state = Mutex<[String]>([])

  var lines: [String] { state.withLock { $0 } }

  func add(_ line: String) { state.withLock { $0.append(line) } }

  func until(_ condition: ([String]) -> Bool) async {
    while !condition(lines) { await Task.yield() }
  }
}

/// Signals that a test sends.
final class TestSignals: SignalSource {
  private let state = Mutex<[ProcessSignal]>([])

  func send(_ signal: ProcessSignal) { state.withLock { $0.append(signal) } }

  func untilAllAreTaken() async {
    while state.withLock({ !$0.isEmpty }) { await Task.yield() }
  }

  func next() async -> ProcessSignal {
    while !Task.isCancelled {
      if let signal = state.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) { return signal }
      await Task.yield()
    }
    return .stop
  }
}
