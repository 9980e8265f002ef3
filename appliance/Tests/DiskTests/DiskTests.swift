import CDisk
import Core
import Disk
import FoundationEssentials
import Glibc
import Testing

@Suite struct DiskTests {
  private let disk = RealDisk()
  private let root: String

  init() throws {
    root = FileManager.default.temporaryDirectory.path + "/artstore-disk-\(UInt64.random(in: 0...(.max)))"
    try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
  }

  @Test func checksumsAreTheStandardsAndBothWaysAgree() {
    // RFC 3720 appendix B.4.
    #expect(CRC32C.value([UInt8](repeating: 0, count: 32)) == 0x8A91_36AA)
    #expect(CRC32C.value([UInt8](repeating: 0xFF, count: 32)) == 0x62A8_AB43)
    #expect(CRC32C.value(Array(0..<32)) == 0x46DD_794E)
    let bytes = SeededRandom(seed: 3).bytes(1000)
    for count in [0, 1, 7, 8, 9, 63, 1000] {
      #expect(CRC32C.value(Array(bytes.prefix(count))) == CRC32C.portableValue(Array(bytes.prefix(count))))
    }
  }

  @Test func filesAreWrittenReadCutAndListed() throws {
    let file = try disk.open("\(root)/a", .create)
    try file.write([1, 2, 3, 4], at: 2)
    try file.sync(.stateBytes)
    #expect(try file.contents(limit: 100) == [0, 0, 1, 2, 3, 4])
    try file.truncate(to: 3)
    #expect(try file.size() == 3)
    try file.allocate(1 << 16)
    #expect(try file.size() == 3)
    #expect(throws: DiskError.self) { try file.contents(limit: 2) }
    #expect(throws: DiskError.taken("open", "\(root)/a")) { try disk.open("\(root)/a", .create) }
    #expect(throws: DiskError.missing("open", "\(root)/b")) { try disk.open("\(root)/b", .read) }
    try disk.makeDirectories("\(root)/x/y")
    try disk.rename("\(root)/a", to: "\(root)/x/y/a")
    #expect(try disk.list("\(root)/x") == [DirectoryEntry(name: "y", kind: .directory)])
    #expect(try disk.stat("\(root)/x/y/a")?.size == 3)
    #expect(try disk.stat("\(root)/a") == nil)
    try disk.unlink("\(root)/x/y/a")
    #expect(try disk.contents("\(root)/x/y/a", limit: 10) == nil)
    #expect(try disk.space(root).total > 0)
  }

  @Test(arguments: [1, 4095, 4096, 70_000, 1 << 20, 3 << 20 | 17]) func aFileIsFilledWithZeros(_ count: Int) throws {
    let file = try disk.open("\(root)/z", .replace)
    try file.write([1, 2, 3], at: 0)
    try file.sync(.stateBytes)
    try file.fillZeros(count)
    let bytes = try file.contents(limit: 8 << 20)
    #expect(bytes.count == max(3, count))
    #expect(bytes.prefix(count).allSatisfy { $0 == 0 })
    // Any place can be written afterwards.
    try file.write([7], at: count / 2 | 1)
    #expect(try file.read(at: count / 2 | 1, count: 1) == [7])
  }

  /// Where the disk has writes that leave its cache by themselves, and in memory, where it has none.
  @Test(arguments: [false, true]) func piecesAreWrittenBehind(_ inMemory: Bool) throws {
    let path = inMemory ? "/dev/shm/artstore-disk-\(UInt64.random(in: 0...(.max)))" : "\(root)/behind"
    defer { try? disk.unlink(path) }  // a temporary file
    let file = try disk.open(path, .create)
    let bytes = SeededRandom(seed: 9).bytes(26 << 20)
    try bytes.withUnsafeBytes { all throws in
      try file.write(UnsafeRawBufferPointer(rebasing: all[..<8192]), at: 0)
      var (at, step) = (8192, 512 << 10)
      while at < all.count {
        let end = min(all.count, at + step)
        let cuts = [at, at + 1, (at + end) / 2, (at + end) / 2, end]
        try file.writeBehind(zip(cuts, cuts.dropFirst()).map { UnsafeRawBufferPointer(rebasing: all[$0..<$1]) }, at: at)
        (at, step) = (end, step + 4096)
      }
    }
    try file.sync(.stateBytes)
    #expect(try file.contents(limit: 32 << 20) == bytes)
    file.dropCache()
    #expect(try file.contents(limit: 32 << 20) == bytes)
    let full = try disk.open("/dev/full", .update)
    let page = [UInt8](repeating: 1, count: 4096)
    #expect(throws: DiskError.full("pwritev2", "/dev/full")) {
      try page.withUnsafeBytes { try full.writeBehind([$0], at: 0) }
    }
  }

  /// Pages written from aligned memory, between others that are not, and to a device that refuses.
  @Test(arguments: [false, true]) func wholePagesAreWrittenFromWhereTheyAre(_ inMemory: Bool) throws {
    let path = inMemory ? "/dev/shm/artstore-disk-\(UInt64.random(in: 0...(.max)))" : "\(root)/direct"
    defer { try? disk.unlink(path) }  // a temporary file
    let file = try disk.open(path, .create)
    let bytes = SeededRandom(seed: 10).bytes(4 << 20)
    let pages = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 4096)
    defer { pages.deallocate() }
    pages.copyBytes(from: bytes)
    let all = UnsafeRawBufferPointer(pages)
    // Those that end within a page go the other way, into the same file.
    for (number, at) in stride(from: 0, to: all.count, by: 512 << 10).enumerated() {
      let cuts = [at, at + (number % 3 == 1 ? 70_001 : 65_536), at + 512 << 10]
      try file.writeBehind(zip(cuts, cuts.dropFirst()).map { UnsafeRawBufferPointer(rebasing: all[$0..<$1]) }, at: at)
    }
    #expect(try file.contents(limit: 8 << 20) == bytes)
    // The next writes, of any length, are ordinary ones again.
    try file.write([1, 2, 3], at: bytes.count)
    try file.sync(.stateBytes)
    #expect(try file.contents(limit: 8 << 20) == bytes + [1, 2, 3])
    let full = try disk.open("/dev/full", .update)
    #expect(throws: DiskError.full("pwritev2", "/dev/full")) {
      try full.writeBehind([UnsafeRawBufferPointer(rebasing: all[..<8192])], at: 0)
    }
  }

  @Test func onlyWholePagesAreWrittenDirectly() throws {
    let file = try disk.open("\(root)/direct", .create)
    let descriptor = try #require(file.descriptor)
    let flags = fcntl(descriptor, F_GETFL)
    let pages = UnsafeMutableRawBufferPointer.allocate(byteCount: 12_288, alignment: 4096)
    defer { pages.deallocate() }
    pages.initializeMemory(as: UInt8.self, repeating: 5)
    func written(from start: Int, _ count: Int, at offset: Int) -> Int? {
      var piece = iovec(iov_base: pages.baseAddress.map { $0 + start }, iov_len: count)
      var written: Int64 = -1
      guard artstore_write_direct(descriptor, &piece, 1, Int64(offset), &written) == 0 else {
        // A file system that has no such writes.
        return errno == EINVAL || errno == EOPNOTSUPP ? nil : -1
      }
      return Int(written)
    }
    #expect(written(from: 512, 4096, at: 0) == 0)
    #expect(written(from: 0, 4095, at: 0) == 0)
    #expect(written(from: 0, 4096, at: 1) == 0)
    #expect(try file.size() == 0)
    if let count = written(from: 4096, 8192, at: 4096) {
      #expect(count == 8192)
      #expect(try file.size() == 12_288)
    }
    #expect(fcntl(descriptor, F_GETFL) == flags, "the next write is an ordinary one")
  }

  @Test func aFileIsPutIntoAnOpenDirectory() throws {
    try disk.makeDirectories("\(root)/d")
    let directory = try disk.open("\(root)/d", .directory)
    try disk.put([1, 2, 3, 4], as: "a", in: directory)
    #expect(try disk.contents("\(root)/d/a", limit: 100) == [1, 2, 3, 4])
    try disk.put([9], as: "a", in: directory)
    #expect(try disk.contents("\(root)/d/a", limit: 100) == [9])
    try disk.put([], as: "b", in: directory)
    #expect(try disk.stat("\(root)/d/b")?.size == 0)
    try disk.unlink("\(root)/d/a")
    try disk.unlink("\(root)/d/b")
    try disk.removeDirectory("\(root)/d")
    #expect(throws: DiskError.missing("openat", "\(root)/d/c")) { try disk.put([1], as: "c", in: directory) }
  }

  @Test func aLockNamesItsHolder() throws {
    let first = try disk.lock("\(root)/lock", holder: "pid 42")
    do {
      _ = try disk.lock("\(root)/lock", holder: "pid 43")
      Issue.record("a second lock was given")
    } catch {
      #expect(error.isLocked && error.holder == "pid 42")
    }
    first.close()
    _ = try disk.lock("\(root)/lock", holder: "pid 43")
  }
}
