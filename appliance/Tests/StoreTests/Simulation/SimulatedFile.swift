import Disk

/// An open file of the simulated disk.
final class SimulatedFile: DiskFile, @unchecked Sendable {  // a simulation runs in one task
  let path: String
  private let inode: SimulatedInode
  private let disk: SimulatedDisk

  init(path: String, inode: SimulatedInode, disk: SimulatedDisk) {
    self.path = path
    self.inode = inode
    self.disk = disk
  }

  var descriptor: CInt? { nil }

  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(DiskError) -> Int {
    try disk.look("read", path)
    let count = max(0, min(buffer.count, inode.bytes.count - offset))
    if count > 0 { buffer.copyBytes(from: inode.bytes[offset..<offset + count]) }
    return count
  }

  func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(DiskError) {
    do throws(DiskError) {
      try disk.step("write", path, .writeFailed, needsRoom: true)
    } catch {
      // A failed write may have written a part.
      let part = disk.random.below(bytes.count + 1)
      if part > 0 { inode.take(.bytes(offset: offset, Array(bytes.prefix(part)))) }
      throw error
    }
    disk.trace.add(bytes)
    inode.take(.bytes(offset: offset, Array(bytes)))
  }

  /// Nothing more is promised than for `write`: a power cut decides each page. What the engine must keep to is checked.
  func writeBehind(_ pieces: [UnsafeRawBufferPointer], at offset: Int) throws(DiskError) {
    let end = pieces.reduce(offset) { $0 + $1.count }
    guard offset % DiskPage.bytes == 0, end % DiskPage.bytes == 0 else {
      throw DiskError("pwritev2", path, code: 22)
    }
    disk.sawBehindWrite()
    var start = offset
    for piece in pieces {
      try write(piece, at: start)
      start += piece.count
    }
  }

  func sync(_ site: SyncSite) throws(DiskError) {
    do throws(DiskError) {
      try disk.step("fdatasync", path, .syncFailed)
    } catch {
      if !error.isPowerCut { disk.forget(inode) }
      throw error
    }
    if !disk.omitted.contains(site) { inode.makeDurable() }
  }

  func syncFileSystem(_ site: SyncSite) throws(DiskError) { try disk.syncFileSystem(site) }

  func truncate(to size: Int) throws(DiskError) {
    try disk.step("truncate", path, .otherFailed)
    inode.take(.truncate(size))
  }

  func allocate(_ count: Int) throws(DiskError) {
    try disk.step("allocate", path, .otherFailed, needsRoom: true)
  }

  func startWriteback(at offset: Int, count: Int) {}
  func dropCache() { inode.dropCache() }
  func size() throws(DiskError) -> Int { inode.bytes.count }
  func close() { if path.hasSuffix("/lock") { disk.unlock(path) } }
}

/// SplitMix64 as a value: small, fast, the same everywhere.
struct SimulationRandom {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var word = state
    word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
    word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
    return word ^ (word >> 31)
  }

  /// 0 to `bound` - 1.
  mutating func below(_ bound: Int) -> Int { bound <= 1 ? 0 : Int(next() % UInt64(bound)) }

  mutating func bytes(_ count: Int) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
      let raw = UnsafeMutableRawBufferPointer(buffer)
      var start = 0
      while start < count {
        withUnsafeBytes(of: next()) {
          let end = min(count, start + 8)
          UnsafeMutableRawBufferPointer(rebasing: raw[start..<end]).copyMemory(
            from: UnsafeRawBufferPointer(rebasing: $0[..<(end - start)]))
        }
        start += 8
      }
      filled = count
    }
  }

  mutating func percent(_ chance: Int) -> Bool { below(100) < chance }
}
