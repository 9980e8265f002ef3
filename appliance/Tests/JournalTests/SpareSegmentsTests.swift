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
    let journal = try start(fixture, spares)
    while spares.prepare() {}
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
    let second = try fixture.bytes(2)
    #expect(last > 2 && second.count == 1024)
    try fixture.write(second.prefix(400) + [UInt8](repeating: 0, count: second.count - 400), 2)
    #expect(fixture.refusal() != nil)
  }

  @Test func theFirstSegmentAfterAStartIsLeftEarlyWhenASpareIsReady() throws {
    let fixture = try JournalFixture()
    let spares = SpareSegments(fixture.configuration, disk: fixture.disk)
    let journal = try start(fixture, spares)
    for _ in 0..<5 { try fixture.commit(journal, [[UInt8](repeating: 7, count: 300_000)]) }
    #expect(journal.segmentNumber == 1, "no spare, no reason")
    #expect(spares.prepare() && spares.prepare(), "made, then named")
    try fixture.commit(journal, [[1]])
    #expect(journal.segmentNumber == 2)
    #expect(spares.prepare())
    for _ in 0..<5 { try fixture.commit(journal, [[UInt8](repeating: 7, count: 300_000)]) }
    #expect(journal.segmentNumber == 2)
    #expect(try fixture.verify().isEmpty)
  }

  @Test func aSegmentNamedAheadCountsForNothingUntilItIsBegun() throws {
    let fixture = try JournalFixture()
    fixture.configuration.segmentBytesMax = 1024
    let spares = SpareSegments(fixture.configuration, disk: fixture.disk)
    let journal = try start(fixture, spares)
    try fixture.commit(journal, [[1, 2, 3]])
    while spares.prepare() {}
    let zeros = [UInt8](repeating: 0, count: 1024)
    #expect(try fixture.bytes(2) == zeros)
    let header = Array(try fixture.bytes(1).prefix(SegmentHeader.size))
    let torn = { (count: Int) -> [UInt8] in Array(header.prefix(count)) + Array(zeros.dropFirst(count)) }
    // The power went while its header was written: any part of it may be there.
    for count in [0, 5, 8, 9, 14, 60, 127] {
      try fixture.write(torn(count), 2)
      let recovery = try fixture.recover()
      #expect(try fixture.notes(recovery) == [[1, 2, 3]], "torn at \(count)")
      #expect(recovery.tornTail == nil && recovery.sealed.isEmpty)
      #expect(try fixture.verify().isEmpty)
    }
    // Nothing is written behind a header that is not durable: this one was, and is damaged.
    try fixture.write(torn(60).dropLast() + [1], 2)
    #expect(fixture.refusal() != nil)
    // A later version's is not for this one to judge.
    var later = torn(16)
    later[8] = 2
    try fixture.write(later, 2)
    #expect(fixture.refusal() != nil)
    // One that is not begun is no reason not to go on, under the very name.
    try fixture.write(zeros, 2)
    let next = try fixture.recover().start(incarnation: 2)
    for _ in 0..<6 { try fixture.commit(next, [[UInt8](repeating: 7, count: 200)]) }
    #expect(next.segmentNumber > 2)
    #expect(try fixture.verify().isEmpty)
  }

  @Test func theChangeOfSegmentsTakesTheFileThatHasItsNameAndSyncsNoDirectory() throws {
    let disk = FailingDisk()
    let fixture = try JournalFixture(disk: disk)
    fixture.configuration.segmentBytesMax = 1024
    let spares = SpareSegments(fixture.configuration, disk: disk)
    let journal = try start(fixture, spares)
    while spares.prepare() {}
    let before = disk.directorySyncs
    while journal.segmentNumber == 1 { try fixture.commit(journal, [[UInt8](repeating: 7, count: 200)]) }
    #expect(disk.directorySyncs == before)
    // Without one it makes its own.
    while journal.segmentNumber == 2 { try fixture.commit(journal, [[UInt8](repeating: 7, count: 200)]) }
    #expect(disk.directorySyncs > before)
    // What comes ready late must not take the name of a segment that is in use.
    while spares.prepare() {}
    #expect(Array(try fixture.bytes(3).prefix(8)) == Array(try fixture.bytes(1).prefix(8)))
    spares.close()
    #expect(try fixture.disk.list(fixture.directory).map(\.name).filter { $0.hasSuffix(".wal") }.count == 3)
  }

  /// A file system that copies on write may have no room for bytes of a file that is there. A whole header may be in it
  /// all the same: with its name that would be a segment, and the one before may not go on.
  @Test func aSegmentThatCannotBeBegunLosesItsNameDurablyAndTheOneBeforeGoesOn() throws {
    let disk = FailingDisk()
    let fixture = try JournalFixture(disk: disk)
    fixture.configuration.segmentBytesMax = 8192
    let spares = SpareSegments(fixture.configuration, disk: disk)
    let journal = try start(fixture, spares)
    let first = [UInt8](repeating: 7, count: 600)
    try fixture.commit(journal, [first])
    while spares.prepare() {}
    disk.fillUp()
    do {
      try fixture.commit(journal, [[1]])
      Issue.record("the change of segments did not meet the full disk")
    } catch let error as JournalError {
      #expect(error.isFull)
    }
    let name = "000000000000000002.wal"
    let refused = try #require(disk.calls.firstIndex(of: "full"))
    #expect(Array(disk.calls[refused...]) == ["full", "unlink \(name)", "sync segmentNotBegun"])
    #expect(try disk.list(fixture.directory).allSatisfy { $0.name != name })
    try fixture.commit(journal, [[2]])
    #expect(journal.segmentNumber == 1)
    #expect(try fixture.notes(fixture.recover()) == [first, [2]])
    #expect(try fixture.verify().isEmpty)
  }

  @Test func aSyncThatFailsThereIsFinal() throws {
    let disk = FailingDisk()
    let fixture = try JournalFixture(disk: disk)
    fixture.configuration.segmentBytesMax = 8192
    let spares = SpareSegments(fixture.configuration, disk: disk)
    let journal = try start(fixture, spares)
    try fixture.commit(journal, [[UInt8](repeating: 7, count: 600)])
    while spares.prepare() {}
    disk.fillUp()
    disk.failsSync = true
    #expect(throws: JournalError.self) { try fixture.commit(journal, [[1]]) }
    disk.failsSync = false
    #expect(journal.failure?.isFull == false, "what was removed may come back: nothing goes on")
    #expect(throws: JournalError.self) { try fixture.commit(journal, [[2]]) }
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
