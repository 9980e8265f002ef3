import Disk
import Synchronization

/// A file in memory that holds a lane to its word: what was written behind is whole pages, which nobody touches again,
/// and it is not closed under a write.
final class MemoryFile: DiskFile {
  struct Contents {
    var bytes: [UInt8] = []
    var pagesBehind: Set<Int> = []
    var behindCalls = 0
    var plainCalls = 0
    var isWriting = false
    var isClosed = false
    var mistakes: [String] = []
  }

  let path = "/memory"
  let descriptor: CInt? = nil
  let contents = Mutex(Contents())
  private let failsFrom: Int
  private let before: @Sendable () -> Void

  /// Writes that reach `failsFrom` fail. `before` is called at the start of each write, on the thread that makes it.
  init(failsFrom: Int = .max, before: @escaping @Sendable () -> Void = {}) {
    self.failsFrom = failsFrom
    self.before = before
  }

  var bytes: [UInt8] { contents.withLock { $0.bytes } }
  var mistakes: [String] { contents.withLock { $0.mistakes } }

  func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(DiskError) {
    try put(Array(bytes), at: offset, isBehind: false)
  }

  func writeBehind(_ pieces: [UnsafeRawBufferPointer], at offset: Int) throws(DiskError) {
    try put(pieces.flatMap { Array($0) }, at: offset, isBehind: true)
  }

  private func put(_ new: [UInt8], at offset: Int, isBehind: Bool) throws(DiskError) {
    contents.withLock { contents in
      if contents.isClosed { contents.mistakes.append("written after it was closed") }
      if contents.isWriting { contents.mistakes.append("two writes at once") }
      contents.isWriting = true
    }
    before()
    let end = offset + new.count
    let pages = Set(offset / DiskPage.bytes..<(end + DiskPage.bytes - 1) / DiskPage.bytes)
    let isFailing = end > failsFrom
    contents.withLock { contents in
      contents.isWriting = false
      if contents.isClosed { contents.mistakes.append("closed under a write") }
      if isFailing { return }
      if isBehind, offset % DiskPage.bytes != 0 || end % DiskPage.bytes != 0 {
        contents.mistakes.append("\(offset)..<\(end) is not whole pages")
      }
      if !contents.pagesBehind.isDisjoint(with: pages) { contents.mistakes.append("\(offset) was behind already") }
      if isBehind { contents.pagesBehind.formUnion(pages) }
      if isBehind { contents.behindCalls += 1 } else { contents.plainCalls += 1 }
      let missing = end - contents.bytes.count
      if missing > 0 { contents.bytes += [UInt8](repeating: 0, count: missing) }
      contents.bytes.replaceSubrange(offset..<end, with: new)
    }
    if isFailing { throw .full("pwritev2", path) }
  }

  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(DiskError) -> Int { 0 }
  func sync(_ site: SyncSite) throws(DiskError) {}
  func syncFileSystem(_ site: SyncSite) throws(DiskError) {}
  func truncate(to size: Int) throws(DiskError) {}
  func allocate(_ count: Int) throws(DiskError) {}
  func startWriteback(at offset: Int, count: Int) {}
  func dropCache() {}
  func size() throws(DiskError) -> Int { bytes.count }
  func close() { contents.withLock { $0.isClosed = true } }
}
