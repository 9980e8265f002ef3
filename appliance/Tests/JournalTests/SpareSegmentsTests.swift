import Core
import Disk
import FoundationEssentials
import Testing

@testable import Journal

/// Segments in files that were written full of zeros ahead of time.
@Suite struct SpareSegmentsTests {
  private func start(_ fixture: JournalFixture, _ spares: SpareSegments, incarnation: UInt64 = 1) throws -> Journal {
    try fixture.recover().start(incarnation: incarnation, spares: spares)
  }

  @Test func aSegmentInAFileOfZerosIsReadChainedAndArchivedLikeAnyOther() throws {
    let fixture = try JournalFixture()
    fixture.configuration.segmentBytesMax = 1024
    let spares = SpareSegments(fixture.configuration, disk: fixture.disk)
    var expected: [[UInt8]] = []
    let journal = try start(fixture, spares)
    for number in 0..<20 {
      while spares.prepare() {}
      expected.append([UInt8](repeating: UInt8(number), count: 200))
      try fixture.commit(journal, [expected[number]])
    }
    let sealed = journal.takeSealed()
    #expect(sealed.count > 3)
    #expect(sealed.dropFirst().allSatisfy { $0.bytes < 1024 })
    #expect(try fixture.bytes(sealed[1].number).count == 1024, "it lies in a file that was there before")
    #expect(try fixture.verify().isEmpty)
    let recovery = try fixture.recover()
    #expect(try fixture.notes(recovery) == expected)
    #expect(recovery.sealed == sealed)
    #expect(recovery.tornTail == nil)
    let raw = try fixture.bytes(sealed[1].number).prefix(sealed[1].bytes)
    let archive = try JournalArchive(fixture.configuration, disk: fixture.disk)
    for segment in sealed { try archive.take(segment) }
    #expect(try archive.read(sealed[1].number) == Array(raw))
    #expect(try fixture.verify().isEmpty)
    spares.close()
    #expect(try fixture.disk.list(fixture.directory).allSatisfy { !$0.name.hasPrefix("spare-") })
  }

  @Test func aTailTornInAFileOfZerosIsCutAndZerosInsideASealedSegmentAreDamage() throws {
    let fixture = try JournalFixture()
    fixture.configuration.segmentBytesMax = 1024
    let spares = SpareSegments(fixture.configuration, disk: fixture.disk)
    spares.prepare()
    let journal = try start(fixture, spares)
    for _ in 0..<6 { try fixture.commit(journal, [[UInt8](repeating: 7, count: 200)]) }
    let last = journal.segmentNumber
    #expect(last > 1)
    let full = try fixture.bytes(last)
    let end = full.count - full.reversed().prefix { $0 == 0 }.count
    // The newest batch reached the disk only in part.
    for cut in [end - 1, end - 100, end - 190] {
      try fixture.write(full.prefix(cut) + [UInt8](repeating: 0, count: full.count - cut), last)
      let recovery = try fixture.recover()
      #expect(recovery.tornTail != nil, "cut at \(cut)")
      try fixture.write(full, last)
    }
    let first = try fixture.bytes(1)
    try fixture.write(first.prefix(400) + [UInt8](repeating: 0, count: first.count - 400), 1)
    #expect(fixture.refusal() != nil)
  }

  @Test func whatAnotherProcessLeftIsRemoved() throws {
    let fixture = try JournalFixture()
    fixture.configuration.segmentBytesMax = 1024
    #expect(SpareSegments(fixture.configuration, disk: fixture.disk).prepare())
    #expect(try fixture.disk.list(fixture.directory).contains { $0.name == "spare-1" })
    try SpareSegments(fixture.configuration, disk: fixture.disk).removeOld()
    #expect(try !fixture.disk.list(fixture.directory).contains { $0.name == "spare-1" })
  }
}
