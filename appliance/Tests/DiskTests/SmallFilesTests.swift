import Disk
import FoundationEssentials
import Testing

/// Many small files of one directory at once.
@Suite struct SmallFilesTests {
  @Test func filesComeInTheOrderOfTheirNamesAndWhatCannotBeHadIsNil() throws {
    let directory = FileManager.default.temporaryDirectory.path + "/artstore-small-\(UInt64.random(in: 0...(.max)))"
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: directory) }  // a temporary directory
    for (name, count) in [("a", 0), ("б", 1), ("limit", 100), ("long", 101), ("longer", 5000)] {
      try Data([UInt8](repeating: UInt8(count % 251), count: count)).write(to: URL(filePath: "\(directory)/\(name)"))
    }
    let names = ["limit", "none", "a", "long", "б", "longer"]
    let found = try RealDisk().contents(of: names, in: directory, limit: 100)
    #expect(found == [[UInt8](repeating: 100, count: 100), nil, [], nil, [1], nil])
    // As a disk that knows no shorter way says.
    #expect(try Plain().contents(of: names, in: directory, limit: 100) == found)
    #expect(try RealDisk().contents(of: ["a", "b"], in: directory + "/none", limit: 100) == [nil, nil])
    #expect(throws: DiskError.self) { try RealDisk().contents(of: ["x"], in: directory + "/a", limit: 100) }
  }

  /// The real disk without its own way.
  private struct Plain: Disk {
    let real = RealDisk()
    func open(_ path: String, _ mode: OpenMode) throws(DiskError) -> any DiskFile { try real.open(path, mode) }
    func rename(_ path: String, to target: String) throws(DiskError) { try real.rename(path, to: target) }
    func unlink(_ path: String) throws(DiskError) { try real.unlink(path) }
    func makeDirectory(_ path: String) throws(DiskError) { try real.makeDirectory(path) }
    func removeDirectory(_ path: String) throws(DiskError) { try real.removeDirectory(path) }
    func syncDirectory(_ path: String, _ site: SyncSite) throws(DiskError) { try real.syncDirectory(path, site) }
    func list(_ path: String) throws(DiskError) -> [DirectoryEntry] { try real.list(path) }
    func stat(_ path: String) throws(DiskError) -> PathStatus? { try real.stat(path) }
    func space(_ path: String) throws(DiskError) -> DiskSpace { try real.space(path) }
    func lock(_ path: String, holder: String) throws(DiskError) -> any DiskFile { try real.lock(path, holder: holder) }
    func reached(_ point: CrashPoint) throws(DiskError) {}
  }
}
