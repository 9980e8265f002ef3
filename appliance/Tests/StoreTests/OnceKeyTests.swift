import HTTP
import StorageAPI
import Testing

@testable import Store

@Suite struct OnceKeyTests {
  private func send(_ store: Store, _ key: String = "k", _ bytes: [UInt8] = [1]) async throws -> Committed {
    let upload = try store.beginUpload(
      FileDraft(filename: "a", uploadedBy: "ivanov"), once: OnceKey(subject: "ivanov", key: key))
    try await upload.write(bytes)
    return try await upload.finish()
  }

  @Test func aKeyHoldsForADayAtLeastAndTwoAtMost() async throws {
    let fixture = try StoreFixture(threads: true)
    let store = try fixture.open()
    let first = try await send(store).record.fileID
    fixture.clock.advance(.seconds(86_399))
    #expect(try await send(store).record.fileID == first)
    fixture.clock.advance(.seconds(86_400))
    #expect(try await send(store).record.fileID != first)
    store.close()
  }

  /// A retry meets the upload that it repeats, also when a period ended between the two.
  @Test func anOpenUploadKeepsItsId() async throws {
    let fixture = try StoreFixture(threads: true)
    let store = try fixture.open()
    let key = OnceKey(subject: "ivanov", key: "k")
    let slow = try store.beginUpload(FileDraft(filename: "a", uploadedBy: "ivanov"), once: key)
    fixture.clock.advance(.seconds(86_400))
    let retried = try await send(store)
    #expect(retried.record.fileID == slow.id)
    try await slow.write([1])
    #expect(try await slow.finish().record.fileID == slow.id)
    #expect(try await store.list(ListQuery()).total == 1)
    store.close()
  }

  @Test func nothingIsHeldOnceTheUploadsAreGone() async throws {
    let fixture = try StoreFixture(threads: true)
    let store = try fixture.open()
    for number in 0..<20 { _ = try await send(store, "k\(number % 3)", [UInt8(number % 3)]) }
    #expect(store.onceKeys.heldCount == 0)
    #expect(try await store.list(ListQuery()).total == 3)
    store.close()
  }
}
