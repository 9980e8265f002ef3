import Core
import Crypto
import HTTP
import StorageAPI
import Testing

@testable import Store

/// The disk is full for one write of a large document, which is made behind the sender's back (decision 0095).
@Suite struct FullDiskUploadTests {
  private let bytes = pattern(300_000)

  private func fixture() throws -> StoreFixture {
    let fixture = try StoreFixture(threads: true)
    fixture.configuration.stagedWriteBytes = 16_384
    return fixture
  }

  @Test(arguments: [0, 1, 3]) func anUploadIsRefusedAndLeavesNothing(_ writes: Int) async throws {
    let fixture = try fixture()
    let disk = FillingDisk()
    let store = try fixture.open(disk)
    defer { store.close() }
    disk.fail(after: writes)
    #expect(
      await code {
        let upload = try store.beginUpload(FileDraft(filename: "a.bin", uploadedBy: "ivanov"))
        for start in stride(from: 0, to: bytes.count, by: 10_000) {
          try await upload.write(Array(bytes[start..<start + 10_000]))
        }
        return try await upload.finish()
      } == .storageFull)
    #expect(try fixture.files("staging") == [])
    // There is room again.
    #expect(try store.bytes(try await store.upload(bytes).record.fileID) == bytes)
  }

  /// What was written before it counts; the rest comes again, and the document is whole.
  @Test(arguments: [0, 1, 3], [false, true])
  func anUploadInPiecesGoesBackToWhatIsWritten(_ writes: Int, _ isVerified: Bool) async throws {
    let fixture = try fixture()
    let disk = FillingDisk()
    let store = try fixture.open(disk)
    defer { store.close() }
    let upload = try await ResumableTests.begin(store)
    _ = try? await upload.append(at: 0, declared: nil, from: ResumableTests.breaking(bytes[..<5001]))  // meant to break
    disk.fail(after: writes)
    var whole = SHA256()
    whole.update(bytes[5001...])
    let sum = ResumableUpload.PieceDigest(.sha256, whole.current().bytes)
    #expect(
      await code {
        try await upload.append(
          at: 5001, declared: nil, digests: isVerified ? [sum] : [], from: ResumableTests.source(bytes[5001...]))
      } == .storageFull)
    let offset = try await upload.look().offset
    if isVerified { #expect(offset == 5001) } else { #expect(offset >= 5001 && offset < bytes.count) }
    if writes == 3, !isVerified { #expect(offset > 5001) }
    let done = try await upload.append(at: offset, declared: nil, from: ResumableTests.source(bytes[offset...]))
    let record = try #require(done.committed).record
    #expect(record.checksum == SHA256.digest(bytes))
    #expect(try store.bytes(record.fileID) == bytes)
    #expect(store.resumableSummary.receivedBytes == 0 && store.resumableSummary.reservedBytes == 0)
  }
}
