/// Tasks of some of a loop's connections, in a group of their own. When a task of a group ends, Swift's run-time
/// library looks for it among all its siblings, the oldest first: with thousands of slow connections in one group that
/// took 0.2 to 0.4 ms for each one that ended. Confined to its loop's thread.
final class ConnectionTasks: @unchecked Sendable {  // used on one loop's thread only
  private var waiting: [HTTPConnection] = []
  private var isOver = false
  private var wakeup: UnsafeContinuation<Void, Never>?

  /// Gives the connection a task, from the loop's next turn on.
  func add(_ connection: HTTPConnection) {
    waiting.append(connection)
    wake()
  }

  /// `run` returns when the connections that were added have been served.
  func end() {
    isOver = true
    wake()
  }

  /// Ends after `end`, which whoever runs this must call.
  func run(_ serve: @escaping @Sendable (HTTPConnection) async -> Void) async {
    await withDiscardingTaskGroup { group in
      while true {
        for connection in takeWaiting() { group.addTask { await serve(connection) } }
        if isOver { return }
        await withUnsafeContinuation { wakeup = $0 }
      }
    }
  }

  private func takeWaiting() -> [HTTPConnection] {
    defer { waiting.removeAll() }
    return waiting
  }

  private func wake() {
    wakeup?.resume()
    wakeup = nil
  }
}
