internal import Core
internal import Crypto
internal import Disk

// Raw segments that were archived and removed, and came back.
extension JournalRecovery {
  /// A removal whose sync failed looks done until the next power cut, which may undo it, long after newer segments were
  /// archived and removed for good. What came back then stands alone before a gap. It holds nothing that the archive
  /// does not, so it is removed again; any other gap is for the chain's check to refuse.
  /// - Parameter segments: ascending; what is left of them is returned.
  func withoutLeftovers(_ segments: [UInt64]) throws(JournalError) -> [UInt64] {
    guard let gap = segments.indices.dropFirst().last(where: { segments[$0] != segments[$0 - 1] + 1 }) else {
      return segments
    }
    let archive: JournalArchive
    let archived: Set<UInt64>
    do throws(DiskError) {
      archive = try JournalArchive(configuration, disk: disk)
      archived = Set(try archive.numbers())
    } catch {
      throw .disk(error)
    }
    let anchor = try archive.anchor()
    let leftovers = segments[..<gap]
    for number in segments[0]..<segments[gap] {
      guard archived.contains(number) || number <= anchor?.number ?? 0 else { return segments }
    }
    for number in leftovers where try !isKept(number, archive, anchor) { return segments }
    do throws(DiskError) {
      try archive.removeRaw(Array(leftovers))
    } catch {
      throw error.isFailedSync ? .failed(error) : .disk(error)
    }
    return Array(segments[gap...])
  }

  /// Whether the archive, or its anchor, holds exactly this raw segment.
  private func isKept(
    _ number: UInt64, _ archive: JournalArchive, _ anchor: JournalArchive.Anchor?
  ) throws(JournalError) -> Bool {
    let path = configuration.segmentPath(number)
    let bytes: [UInt8]?
    do throws(DiskError) { bytes = try disk.contents(path, limit: 1 << 30) } catch { throw .disk(error) }
    guard let bytes else { return false }
    // One that is no segment of this journal is no leftover of it.
    var reader = try SegmentReader(bytes, file: path)
    while case .record = reader.next() {}
    guard reader.header.number == number, reader.header.appliance == configuration.appliance else { return false }
    // Of what was pruned the anchor has the last one's hash only; those before it were archived and verified like it.
    if let anchor, number <= anchor.number {
      return number < anchor.number || anchor.hash == SHA256.digest(reader.whole)
    }
    return try archive.read(number).elementsEqual(reader.whole)
  }
}
