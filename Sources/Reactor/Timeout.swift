/// Runs `body` and gives it `duration`. When that passes, `body` is cancelled, waited for, and
/// `ReactorError.timedOut(what)`
/// is thrown. A body that ends by itself keeps its result or error.
public func withTimeout<R: Sendable>(
  _ duration: Duration, _ what: String, _ body: @escaping @Sendable () async throws -> R
) async throws -> R {
  try await withThrowingTaskGroup(of: R?.self) { group in
    group.addTask { try await body() }
    group.addTask {
      try await IO.sleep(duration)
      return nil
    }
    defer { group.cancelAll() }
    guard let first = try await group.next(), let result = first else {
      throw ReactorError.timedOut(what)
    }
    return result
  }
}
