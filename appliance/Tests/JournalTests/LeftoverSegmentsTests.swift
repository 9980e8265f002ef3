import Core
import Disk
import FoundationEssentials
import Testing

@testable import Journal

/// A removal whose sync failed is undone by a later power cut.
@Suite struct LeftoverSegmentsTests {
  /// A journal whose sealed segments are archived; the raw bytes they had.
  private func archived(_ fixture: JournalFixture) throws -> (raw: [UInt64: [UInt8]], archive: JournalArchive) {
    fixture.configuration.segmentBytesMax = 1024
    let journal = try fixture.start()
    for number in 0..<20 { try fixture.commit(journal, [[UInt8](repeating: UInt8(number), count: 200)]) }
    let archive = try JournalArchive(fixture.configuration, disk: fixture.disk)
    var raw: [UInt64: [UInt8]] = [:]
    for segment in journal.takeSealed() {
      raw[segment.number] = try fixture.bytes(segment.number)
      try archive.take(segment)
    }
    #expect(raw.count > 3)
    return (raw, archive)
  }

  private func exists(_ fixture: JournalFixture, _ number: UInt64) -> Bool {
    FileManager.default.fileExists(atPath: fixture.path(number))
  }

  @Test func anArchivedSegmentThatComesBackBeforeAGapIsRemovedAgain() throws {
    let fixture = try JournalFixture()
    let (raw, _) = try archived(fixture)
    for back: [UInt64] in [[1], [1, 2], [1, 3]] {
      for number in back { try fixture.write(raw[number]!, number) }
      let journal = try fixture.start(incarnation: 1 + back.last!)
      for number in back { #expect(!exists(fixture, number)) }
      try fixture.commit(journal, [[1, 2, 3]])
      #expect(try fixture.verify().isEmpty)
    }
  }

  @Test func aPrunedSegmentThatComesBackIsRemovedAgain() throws {
    let fixture = try JournalFixture()
    let (raw, archive) = try archived(fixture)
    try archive.prune(toBytes: 600)
    let anchor = try #require(try archive.anchor())
    #expect(anchor.number > 1)
    for number in [1, anchor.number] { try fixture.write(raw[number]!, number) }
    _ = try fixture.start()
    for number in [1, anchor.number] { #expect(!exists(fixture, number)) }
    #expect(try fixture.verify().isEmpty)
  }

  @Test func anyOtherGapIsStillRefused() throws {
    let fixture = try JournalFixture()
    let (raw, archive) = try archived(fixture)
    // Not what was archived under this number.
    let other = SegmentHeader(
      number: 1, firstLSN: 1, appliance: JournalFixture.appliance, epoch: 7, previous: SegmentHeader.nothingBefore,
      created: Timestamp(seconds: 5))
    try fixture.write(other.encoded(), 1)
    #expect(fixture.refusal()?.description.contains("is missing before it") == true)
    #expect(exists(fixture, 1))
    // What was archived, but the gap is not.
    try fixture.write(raw[1]!, 1)
    let gap = try Data(contentsOf: URL(filePath: archive.path(2)))
    try FileManager.default.removeItem(atPath: archive.path(2))
    #expect(fixture.refusal()?.description.contains("is missing before it") == true)
    #expect(exists(fixture, 1))
    try gap.write(to: URL(filePath: archive.path(2)))
    #expect(fixture.refusal() == nil)
  }
}
