import Core
import StorageAPI
import Testing

@testable import Store

@Suite struct KeeperTests {
  /// What a start has to redo is bounded although nobody keeps the store.
  @Test func theCommitterChecksInWhenTheKeeperIsFarBehind() throws {
    let fixture = try StoreFixture()
    fixture.configuration.segmentBytesMax = 4096
    let store = try fixture.open()
    defer { store.close() }
    let before = store.summary.checkpointLSN
    let text = String(repeating: "x", count: 1500)
    var written = 0
    while !store.keeper.isFarBehind, written < 200 {
      store.committer.commit([Command(action: .note(text), actor: Actor("test")) { _ in }])
      store.keeper.catchUp()
      written += 1
    }
    // Nothing was in the way of a checkpoint, so the store never got further behind than it may.
    #expect(written == 200)
    #expect(store.summary.checkpointLSN > before)
    #expect(store.shared.status.segmentsAfterCheckpoint <= Keeper.segmentsBehindMax)
  }
}
