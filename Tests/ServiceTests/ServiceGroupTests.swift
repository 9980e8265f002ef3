import Glibc
import Synchronization
import Telemetry
import Testing

@testable import Service

@Suite(.timeLimit(.minutes(1))) struct ServiceGroupTests {
  let journal = Journal()
  let signals = TestSignals()

  private func group(
    _ services: [any Service], gracePeriod: Duration = .seconds(30), reload: @escaping @Sendable () async -> Void = {}
  ) -> ServiceGroup {
    ServiceGroup(services, logger: .silent, gracePeriod: gracePeriod, reload: reload)
  }

  @Test func servicesStopInReverseEachAfterTheOneAboveIt() async throws {
    let services = ["a", "b", "c"].map { name in
      TestService(name) {
        journal.add("\(name) runs")
        await Shutdown.requested()
        journal.add("\(name) stops")
      }
    }
    async let run: Void = group(services).run(signals: signals)
    await journal.until { $0.filter { $0.hasSuffix("runs") }.count == 3 }
    signals.send(.stop)
    try await run
    #expect(journal.lines.suffix(3) == ["c stops", "b stops", "a stops"])
  }

  @Test func aFailureStopsTheOthersAndIsThrown() async throws {
    struct Broken: Error {}
    let services: [any Service] = [
      TestService("good") {
        await Shutdown.requested()
        journal.add("good stops")
      },
      TestService("bad") { throw Broken() },
    ]
    await #expect(throws: Broken.self) { try await group(services).run(signals: signals) }
    #expect(journal.lines == ["good stops"])
  }

  @Test func aServiceThatEndsUnaskedIsAFailure() async throws {
    await #expect(throws: ServiceGroup.EndedUnexpectedly.self) {
      try await group([TestService("short") {}, TestService("long") { await Shutdown.requested() }])
        .run(signals: signals)
    }
  }

  @Test func aFailureWhileStoppingIsThrown() async throws {
    struct Unflushed: Error {}
    let service = TestService("writer") {
      journal.add("runs")
      await Shutdown.requested()
      throw Unflushed()
    }
    async let run: Void = group([service]).run(signals: signals)
    await journal.until { $0.contains("runs") }
    signals.send(.stop)
    do {
      try await run
      Issue.record("the failure was swallowed")
    } catch { #expect(error is Unflushed) }
  }

  @Test func whoDoesNotStopInTimeIsCancelled() async throws {
    let service = TestService("stubborn") {
      journal.add("runs")
      await withTaskCancellationHandler {
        await ShutdownSignal().wait()
      } onCancel: {
        journal.add("cancelled")
      }
    }
    async let run: Void = group([service], gracePeriod: .milliseconds(10)).run(signals: signals)
    await journal.until { $0.contains("runs") }
    signals.send(.stop)
    try await run
    #expect(journal.lines == ["runs", "cancelled"])
  }

  @Test func aSecondStopStopsAtOnce() async throws {
    let service = TestService("slow") {
      journal.add("runs")
      await Shutdown.requested()
      journal.add("asked")
      await ShutdownSignal().wait()  // until cancelled
      journal.add("cancelled")
    }
    async let run: Void = group([service], gracePeriod: .seconds(3600)).run(signals: signals)
    await journal.until { $0.contains("runs") }
    signals.send(.stop)
    await journal.until { $0.contains("asked") }
    signals.send(.stop)
    try await run
    #expect(journal.lines.last == "cancelled")
  }

  @Test func reloadsRunOneAtATimeAndNoneIsLost() async throws {
    let gate = ShutdownSignal()
    let service = TestService("server") { await Shutdown.requested() }
    async let run: Void = group([service]) {
      journal.add("reload begins")
      await gate.wait()
      journal.add("reload ends")
    }.run(signals: signals)
    signals.send(.reload)
    await journal.until { $0.count == 1 }
    for _ in 0..<3 { signals.send(.reload) }
    await signals.untilAllAreTaken()
    gate.raise()
    await journal.until { $0.count == 4 }
    signals.send(.stop)
    try await run
    #expect(journal.lines == ["reload begins", "reload ends", "reload begins", "reload ends"])
  }

  @Test func aReloadThatHangsDoesNotStopTheStop() async throws {
    let service = TestService("server") { await Shutdown.requested() }
    async let run: Void = group([service]) {
      journal.add("reload")
      await ShutdownSignal().wait()
    }.run(signals: signals)
    signals.send(.reload)
    await journal.until { $0.contains("reload") }
    signals.send(.stop)
    try await run
  }

  @Test func shutdownOutsideAGroupEndsWithTheTask() async {
    #expect(!Shutdown.isRequested)
    let task = Task { await Shutdown.requested() }  // a test's own task, awaited below
    task.cancel()
    await task.value
  }

  /// The process' own signals, sent by the process to itself.
  @Test func realSignalsArrive() async throws {
    let signals = ProcessSignals()
    kill(getpid(), SIGHUP)
    #expect(await signals.next() == .reload)
    kill(getpid(), SIGTERM)
    #expect(await signals.next() == .stop)
    kill(getpid(), SIGINT)
    #expect(await signals.next() == .stop)
    let task = Task { await signals.next() }  // a test's own task, awaited below
    task.cancel()
    #expect(await task.value == .stop)
  }
}
