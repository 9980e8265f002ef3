import Core
import Synchronization
import Telemetry
import TestKit
import Testing

@testable import Service

@Suite(.timeLimit(.minutes(1))) struct BackgroundTaskTests {
  let journal = Journal()
  let time = ManualTime()

  private func task(
    interval: Duration = .seconds(3600), timeout: Duration = .seconds(60),
    work: @escaping @Sendable () async throws -> String
  ) -> BackgroundTask {
    BackgroundTask(name: "gc", interval: interval, timeout: timeout, logger: .silent, time: time, work: work)
  }

  /// Runs `task` as a service while `body` runs.
  private func running(_ task: BackgroundTask, _ body: () async throws -> Void) async throws {
    let signal = ShutdownSignal()
    async let run: Void = Shutdown.with(signal) { try await task.run() }
    try await body()
    signal.raise()
    try await run
  }

  @Test func aPokeRunsItBeforeItsTime() async throws {
    let task = task { [journal] in
      journal.add("run")
      return "removed 3"
    }
    try await running(task) {
      task.poke()
      await journal.until { $0.count == 1 }
      task.poke()
      await journal.until { $0.count == 2 }
    }
    #expect(task.status.lastResult == .success("removed 3"))
    #expect(task.status.completedRuns == 2)
    #expect(!task.status.isRunning)
    #expect(task.status.startedAt == time.now())
  }

  @Test func theTimerRunsIt() async throws {
    let task = task(interval: .milliseconds(1)) { [journal] in
      journal.add("run")
      return ""
    }
    try await running(task) { await journal.until { $0.count >= 3 } }
  }

  @Test func oneRunAtATimeAndPokesDuringARunMakeOneMore() async throws {
    let gate = ShutdownSignal()
    let running = Mutex(0)
    let task = task { [journal] in
      let others = running.withLock { running in
        running += 1
        return running - 1
      }
      #expect(others == 0)
      journal.add("begins")
      await gate.wait()
      running.withLock { $0 -= 1 }
      return ""
    }
    try await self.running(task) {
      task.poke()
      await journal.until { $0.count == 1 }
      for _ in 0..<5 { task.poke() }
      gate.raise()
      await journal.until { $0.count == 2 }
      for _ in 0..<100 { await Task.yield() }
    }
    #expect(journal.lines.count == 2)
  }

  @Test func aFailureIsStatusNotTheEnd() async throws {
    struct Broken: Error, CustomStringConvertible { let description = "the disk is gone" }
    let attempts = Mutex(0)
    let task = task {
      let attempt = attempts.withLock { attempts in
        attempts += 1
        return attempts
      }
      if attempt == 1 { throw Broken() }
      return "fine"
    }
    await task.runOnce()
    #expect(task.status.lastResult == .failure("the disk is gone"))
    await task.runOnce()
    #expect(task.status.lastResult == .success("fine"))
  }

  @Test func workThatTakesTooLongIsCancelled() async throws {
    let task = task(timeout: .milliseconds(5)) { [journal] in
      await ShutdownSignal().wait()  // until cancelled
      journal.add("cancelled")
      return "too late"
    }
    await task.runOnce()
    #expect(journal.lines == ["cancelled"])
    guard case .failure(let words) = task.status.lastResult else {
      Issue.record("\(String(describing: task.status.lastResult))")
      return
    }
    #expect(words.contains("did not finish"))
  }

  @Test func theStatusAsJSON() async throws {
    struct Shown: Decodable {
      struct Result: Decodable {
        var ok: Bool
        var message: String
      }
      var name: String
      var interval_seconds: Int
      var running: Bool
      var last_run: Timestamp?
      var last_result: Result?
      var next_run: Timestamp?
    }
    let task = task { "did it" }
    let before = try JSON.decode(Shown.self, from: JSONWriter.document { $0.value(task.status) })
    #expect(
      before.name == "gc" && before.interval_seconds == 3600 && before.last_run == nil && before.last_result == nil)
    await task.runOnce()
    let after = try JSON.decode(Shown.self, from: JSONWriter.document { $0.value(task.status) })
    #expect(after.last_result?.ok == true && after.last_result?.message == "did it" && after.last_run == time.now())
  }
}
