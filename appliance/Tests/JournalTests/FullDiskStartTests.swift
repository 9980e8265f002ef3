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

  @Test func aSyncThatFailsThereIsFinal() throws {
    let disk = FailingDisk()
    let fixture = try JournalFixture(disk: disk)
    try fixture.commit(try fixture.start(), [[1]])
    disk.fillUp()
    disk.failsSync = true
    #expect(throws: JournalError.self) { try fixture.recover() }
  }
}
