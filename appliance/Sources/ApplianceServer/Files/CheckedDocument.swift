internal import Core
internal import Disk
internal import Glibc
internal import HTTP
internal import HTTPServer
internal import Reactor
internal import StorageAPI
internal import Store
internal import Synchronization

/// A document's file whose bytes are compared with what was uploaded before they are sent (decision 0110). A block that
/// is not right is read from the device again; what decides is the SHA-256 of the whole.
final class CheckedDocument: FileCheck {
  let file: OpenFile
  private let record: FileRecord
  private let store: Store
  private let sums = Mutex<BlockSums?>(nil)
  /// Held while the whole is read: once is enough.
  private let reading = Mutex(())
  private static let pieceBytes = 1 << 20

  init(_ record: FileRecord, _ file: OpenFile, of store: Store) {
    self.record = record
    self.file = file
    self.store = store
  }

  var size: Int { record.size }
  var blockBytes: Int { BlockSums.blockBytes }
  var isPrepared: Bool { sums.withLock { $0 != nil } }

  func isSound(_ blocks: UnsafeRawBufferPointer, at offset: Int) -> Bool {
    sums.withLock { $0 }?.match(blocks, at: offset) ?? false
  }

  func prepare() throws {
    try reading.withLock { _ in
      if isPrepared { return }
      if let kept = store.blockSums(of: record.fileID, size: size, checksum: record.checksum) {
        sums.withLock { $0 = kept }
        return
      }
      try measure()
    }
  }

  func foundWrong(at offset: Int) -> any Error {
    reading.withLock { _ in
      do { try measure() } catch { return error }
      // The sums were wrong, not the document; they are mended now.
      return APIError(
        .overloaded, "the document had to be read again; ask for it once more", headers: ["Retry-After": "1"])
    }
  }

  func dropCache() { _ = posix_fadvise(file.descriptor, 0, 0, POSIX_FADV_DONTNEED) }

  /// Reads the whole, again from the device if it is not right, and keeps its sums; or marks it as damaged.
  private func measure() throws {
    for isLastTry in [false, true] {
      let found = try digest()
      if found.checksum == record.checksum {
        sums.withLock { $0 = found.sums }
        return store.keep(found.sums, of: record.fileID, size: size, checksum: record.checksum)
      }
      if !isLastTry { dropCache() }
    }
    // Removed or changed meanwhile: then nobody asks for these bytes again.
    guard try store.record(record.fileID)?.checksum == record.checksum else { throw Self.damaged(record.fileID) }
    try store.mark(record.fileID, Self.problem)
    throw Self.damaged(record.fileID)
  }

  private func digest() throws -> (checksum: Checksum, sums: BlockSums) {
    var digest = DocumentDigest()
    var offset = 0
    while offset < size {
      var outcome = FileRead.Outcome.cold
      let bytes = [UInt8](unsafeUninitializedCapacity: min(Self.pieceBytes, size - offset)) { buffer, count in
        outcome = FileRead.blocking(file.descriptor, into: UnsafeMutableRawBufferPointer(buffer), at: offset)
        if case .bytes(let got) = outcome { count = got }
      }
      if case .failed(let errno) = outcome { throw ReactorError.system(call: "pread", errno: errno) }
      if bytes.isEmpty { break }
      digest.update(bytes)
      offset += bytes.count
    }
    return (digest.current(), digest.sums)
  }

  private static let problem = "checksum_mismatch"

  private static func damaged(_ id: FileID) -> APIError {
    APIError(
      .internalError, "the document \(id) is damaged (\(problem)); the storage's operator has to look at it")
  }
}
