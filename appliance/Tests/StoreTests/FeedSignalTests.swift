import Testing

@testable import Store

@Suite struct FeedSignalTests {
  /// A batch is answered before it is announced: one who has seen it and waits for the next must not be woken by it.
  @Test func whatAWaiterHasSeenDoesNotWakeIt() async {
    let signal = FeedSignal(lsn: 4)
    let waiting = Task { await signal.wait(after: 5, timeout: .seconds(50)) }
    while signal.waiterCount == 0 { await Task.yield() }
    signal.announce(5)
    #expect(signal.waiterCount == 1)
    signal.announce(6)
    #expect(signal.waiterCount == 0)
    await waiting.value
  }

  @Test func whatIsThereAlreadyIsNotWaitedFor() async {
    let signal = FeedSignal(lsn: 9)
    await signal.wait(after: 8, timeout: .seconds(50))
    #expect(signal.waiterCount == 0)
  }

  @Test func cancellingEndsAWait() async {
    let signal = FeedSignal(lsn: 9)
    let waiting = Task { await signal.wait(after: 9, timeout: .seconds(50)) }
    while signal.waiterCount == 0 { await Task.yield() }
    waiting.cancel()
    await waiting.value
    #expect(signal.waiterCount == 0)
  }
}
