internal import Core
internal import Crypto
internal import Disk

/// The segment being appended to: its file, its length, and the hash of everything in it so far.
struct ActiveSegment: ~Copyable {
  let header: SegmentHeader
  let file: any DiskFile
  let salt: UInt32
  /// Bytes of a file that was full of zeros; 0: an ordinary file.
  private let zeros: Int
  private(set) var count: Int
  private var digest: SHA256

  /// Takes over a file that holds exactly `bytes` durably.
  init(_ header: SegmentHeader, file: any DiskFile, bytes: [UInt8], zeros: Int = 0) {
    self.header = header
    self.zeros = zeros
    self.file = file
    salt = SegmentHeader.salt(bytes)
    count = bytes.count
    digest = SHA256()
    digest.update(bytes)
  }

  /// Writes at the end; durable after a sync.
  mutating func append(_ bytes: [UInt8]) throws(DiskError) {
    try file.write(Self.completed(bytes, at: count, zeros: zeros), at: count)
    count += bytes.count
    digest.update(bytes)
  }

  /// In a file that was full of zeros.
  var isPrepared: Bool { zeros > 0 }

  private static let pageBytes = 4096

  /// With the zeros to the end of its last page: one that is written whole need not be read, and the zeros of a file
  /// that was made ahead are not in the page cache.
  private static func completed(_ bytes: [UInt8], at offset: Int, zeros: Int) -> [UInt8] {
    let end = offset + bytes.count
    let missing = min((end + pageBytes - 1) / pageBytes * pageBytes, zeros) - end
    return missing > 0 ? bytes + [UInt8](repeating: 0, count: missing) : bytes
  }

  /// SHA-256 of the segment as it stands.
  borrowing func hash() -> Checksum { digest.current() }

  /// A new segment, durable with its name before it is used: a file that has its name already, or temporary name, sync,
  /// rename, directory sync. Its blocks are reserved, so that a full disk is met here and not inside a batch.
  static func create(
    _ header: SegmentHeader, in configuration: JournalConfiguration, disk: any Disk, spares: SpareSegments? = nil
  ) throws(DiskError) -> ActiveSegment {
    let bytes = header.encoded()
    let path = configuration.segmentPath(header.number)
    if let spare = spares?.take(header.number) {
      try begin(spare, completed(bytes, at: 0, zeros: configuration.segmentBytesMax), at: path, disk: disk)
      try disk.reached(.segmentDirectorySynced)
      return ActiveSegment(header, file: spare, bytes: bytes, zeros: configuration.segmentBytesMax)
    }
    let file = try install(
      bytes, at: path, reserving: configuration.segmentBytesMax,
      isRoomNeeded: true, disk: disk)
    try disk.reached(.segmentDirectorySynced)
    return ActiveSegment(header, file: file, bytes: bytes)
  }

  /// Writes the header into a file that has its name. When the disk is full the segment before goes on: then nothing
  /// may be left that looks like one that was begun.
  private static func begin(
    _ spare: any DiskFile, _ bytes: [UInt8], at path: String, disk: any Disk
  ) throws(DiskError) {
    do throws(DiskError) {
      try spare.write(bytes, at: 0)
      try finish(spare, disk: disk)
    } catch {
      spare.close()
      guard error.isFull else { throw error }
      try disk.unlink(path)
      try disk.syncDirectory(RealDisk.parent(of: path), .segmentNotBegun)
      throw error
    }
  }

  /// Puts `bytes` durably under `path`, replacing what is there.
  static func install(
    _ bytes: [UInt8], at path: String, reserving room: Int, isRoomNeeded: Bool, disk: any Disk
  ) throws(DiskError) -> any DiskFile {
    let temporary = path + ".new"
    let file = try disk.openAnew(temporary)
    do throws(DiskError) {
      try reserve(room, in: file, isNeeded: isRoomNeeded)
      try file.write(bytes, at: 0)
      try name(file, path, disk: disk)
    } catch {
      file.close()
      if error.isFull { try disk.unlink(temporary) }
      throw error
    }
    return file
  }

  private static func finish(_ file: any DiskFile, disk: any Disk) throws(DiskError) {
    try file.sync(.segmentBytes)
    try disk.reached(.segmentCreated)
  }

  private static func name(_ file: any DiskFile, _ path: String, disk: any Disk) throws(DiskError) {
    try finish(file, disk: disk)
    try disk.rename(file.path, to: path)
    try disk.syncDirectory(RealDisk.parent(of: path), .segmentName)
  }

  /// Recovery on a full disk goes on without the promise; a batch may then meet the full disk itself.
  private static func reserve(_ room: Int, in file: any DiskFile, isNeeded: Bool) throws(DiskError) {
    guard room > 0 else { return }
    do throws(DiskError) { try file.allocate(room) } catch { if isNeeded || !error.isFull { throw error } }
  }
}
