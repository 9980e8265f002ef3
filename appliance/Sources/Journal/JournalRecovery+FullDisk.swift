internal import Disk

// A start on a disk without room for a copy of the active segment.
extension JournalRecovery {
  /// Makes sure of the active segment where it lies: synced, dropped from the page cache, and read once more. A copy
  /// would be surer, for the kernel need not drop what it is asked to; but whoever has no room would have no store.
  /// What follows the valid bytes, of a batch that was torn, becomes zeros. Needs no block that the file has not.
  func confirmed(_ reader: SegmentReader, valid: [UInt8]) throws(DiskError) -> any DiskFile {
    let file = try disk.open(reader.file, .update)
    do throws(DiskError) {
      let torn = (reader.bytes.lastIndex { $0 != 0 }).map { $0 + 1 - valid.count } ?? 0
      if torn > 0 { try file.write([UInt8](repeating: 0, count: torn), at: valid.count) }
      try file.sync(.segmentConfirmed)
      file.dropCache()
      let read = try file.contents(limit: 1 << 30)
      guard read.starts(with: valid), read.dropFirst(valid.count).allSatisfy({ $0 == 0 }) else {
        throw .failed("read back", reader.file)
      }
    } catch {
      file.close()
      throw error
    }
    return file
  }
}
