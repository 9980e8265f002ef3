import Disk
import Testing

@testable import Journal

/// A start whose copy of the active segment meets a full disk.
@Suite struct FullDiskStartTests {
  @Test func aStartWithoutRoomForACopyConfirmsTheSegmentWhereItLies() throws {
    let disk = FailingDisk()
    let fixture = try JournalFixture(disk: disk)
    let journal = try fixture.start()
    try fixture.commit(journal, [[1], [2]])
    let before = try fixture.bytes(1)
    disk.fillUp()
    let recovery = try fixture.recover()
    #expect(try fixture.notes(recovery) == [[1], [2]])
    #expect(disk.calls.contains("sync segmentConfirmed"))
    #expect(try fixture.bytes(1).starts(with: before))
    let again = try recovery.start(incarnation: 2)
    try fixture.commit(again, [[3]])
    #expect(try fixture.notes(fixture.recover()) == [[1], [2], [3]])
    #expect(try fixture.verify().isEmpty)
  }

  @Test func aTornTailIsMadeZerosThere() throws {
    let disk = FailingDisk()
    let fixture = try JournalFixture(disk: disk)
    let journal = try fixture.start()
    try fixture.commit(journal, [[1]])
    try fixture.commit(journal, [[2]])
    let torn = Array(try fixture.bytes(1).dropLast(8))
    try fixture.write(torn, 1)
    // The first write sets the torn bytes aside and needs room; the second would be the copy.
    _ = try fixture.recover()
    try fixture.write(torn, 1)
    disk.fillUp(after: 1)
    let recovery = try fixture.recover()
    #expect(recovery.tornTail != nil)
    #expect(disk.calls.contains("sync segmentConfirmed"))
    let left = try fixture.bytes(1)
    #expect(left.count == torn.count && left.suffix(24).allSatisfy { $0 == 0 })
    try fixture.commit(try recovery.start(incarnation: 2), [[4]])
    #expect(try fixture.notes(fixture.recover()) == [[1], [4]])
  }

  /// A journal on a disk that is full but for the reserve.
  private func full(tearing: Bool = false, isReserved: Bool = true) throws -> (JournalFixture, FailingDisk) {
    let disk = FailingDisk()
    let fixture = try JournalFixture(disk: disk)
    fixture.configuration.segmentBytesMax = 64 << 10
    let journal = try fixture.start()
    try fixture.commit(journal, [[1]])
    try fixture.commit(journal, [[2]])
    if tearing { try fixture.write(Array(try fixture.bytes(1).dropLast(8)) + [UInt8](repeating: 0, count: 5000), 1) }
    if isReserved { SpareSegments(fixture.configuration, disk: disk).keepReserve() }
    disk.fillUpButForTheReserve()
    return (fixture, disk)
  }

  private func exists(_ fixture: JournalFixture, _ name: String) throws -> Bool {
    try fixture.disk.list(fixture.directory).contains { $0.name == name }
  }

  @Test func theReserveIsRoomForTheCopyAndForATornTail() throws {
    for tearing in [false, true] {
      let (fixture, disk) = try full(tearing: tearing)
      let recovery = try fixture.recover()
      #expect(!disk.calls.contains("sync segmentConfirmed"), "there was room for a copy")
      #expect(try !exists(fixture, "reserve"))
      let tail = recovery.tornTail
      #expect((tail != nil) == tearing)
      if let tail { #expect(try disk.stat(tail.file)?.size == tail.bytes && tail.bytes < 100, "without the zeros") }
      try fixture.commit(try recovery.start(incarnation: 2), [[3]])
      #expect(try fixture.notes(fixture.recover()) == (tearing ? [[1], [3]] : [[1], [2], [3]]))
      #expect(try fixture.verify().isEmpty)
    }
  }

  @Test func withoutAReserveATornTailIsNotCutAndTheStartSaysWhy() throws {
    let (fixture, _) = try full(tearing: true, isReserved: false)
    let before = try fixture.bytes(1)
    #expect(fixture.refusal()?.description.contains("No space left on device") == true)
    #expect(try fixture.bytes(1) == before)
  }

  @Test func theReserveIsRoomForASegmentAfterOneThatIsUsedUp() throws {
    for isReserved in [false, true] {
      let disk = FailingDisk()
      let fixture = try JournalFixture(disk: disk)
      fixture.configuration.segmentBytesMax = 1024
      let journal = try fixture.start()
      // Not room enough left for another batch.
      try fixture.commit(journal, [[UInt8](repeating: 7, count: 600)])
      fixture.configuration.segmentBytesMax = try fixture.bytes(1).count + 20
      #expect(journal.segmentNumber == 1)
      if isReserved { SpareSegments(fixture.configuration, disk: disk).keepReserve() }
      let recovery = try fixture.recover()
      disk.fillUp()
      guard isReserved else {
        #expect(throws: JournalError.self) { try recovery.start(incarnation: 2) }
        continue
      }
      let next = try recovery.start(incarnation: 2)
      #expect(next.segmentNumber == 2)
      #expect(try fixture.verify().isEmpty)
      #expect(try fixture.recover().incarnations.map(\.id) == [1, 2], "the first batch was written once")
    }
  }

  @Test func theReserveIsMadeOfBlocksAndMadeAnew() throws {
    let fixture = try JournalFixture()
    let spares = SpareSegments(fixture.configuration, disk: fixture.disk)
    spares.keepReserve()
    let status = try #require(try fixture.disk.stat("\(fixture.directory)/reserve"))
    #expect(status.allocated >= 2 * fixture.configuration.segmentBytesMax)
    try fixture.disk.unlink("\(fixture.directory)/reserve")
    spares.keepReserve()
    #expect(try exists(fixture, "reserve"))
  }

  @Test func aSyncThatFailsThereIsFinal() throws {
    let disk = FailingDisk()
    let fixture = try JournalFixture(disk: disk)
    try fixture.commit(try fixture.start(), [[1]])
    disk.fillUp()
    disk.failsSync = true
    #expect(throws: JournalError.self) { try fixture.recover() }
  }
}
