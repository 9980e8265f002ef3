internal import Core
internal import Crypto
internal import Disk

/// The segment being appended to: its file, its length, and the hash of everything in it so far.
struct ActiveSegment: ~Copyable {
  let header: SegmentHeader
  let file: any DiskFile
  let salt: UInt32
  /// In a file that was full of zeros.
  let isPrepared: Bool
  private(set) var count: Int
  private var digest: SHA256

  /// Takes over a file that holds exactly `bytes` durably.
  init(_ header: SegmentHeader, file: any DiskFile, bytes: [UInt8], isPrepared: Bool = false) {
    self.header = header
    self.isPrepared = isPrepared
    self.file = file
    salt = SegmentHeader.salt(bytes)
    count = bytes.count
    digest = SHA256()
    digest.update(bytes)
  }

  /// Writes at the end; durable after a sync.
  mutating func append(_ bytes: [UInt8]) throws(DiskError) {
    try file.write(bytes, at: count)
    count += bytes.count
    digest.update(bytes)
  }

  /// SHA-256 of the segment as it stands.
  borrowing func hash() -> Checksum { digest.current() }

  /// A new segment, durable with its name before it is used: temporary name, sync, rename, directory sync. Its blocks
  /// are reserved, so that a full disk is met here and not inside a batch.
  static func create(
    _ header: SegmentHeader, in configuration: JournalConfiguration, disk: any Disk, spares: SpareSegments? = nil
  ) throws(DiskError) -> ActiveSegment {
    let bytes = header.encoded()
    let path = configuration.segmentPath(header.number)
    if let spare = spares?.take() {
      try spare.write(bytes, at: 0)
      try name(spare, path, disk: disk)
      try disk.reached(.segmentDirectorySynced)
      return ActiveSegment(header, file: spare, bytes: bytes, isPrepared: true)
    }
    let file = try install(
      bytes, at: path, reserving: configuration.segmentBytesMax,
      isRoomNeeded: true, disk: disk)
    try disk.reached(.segmentDirectorySynced)
    return ActiveSegment(header, file: file, bytes: bytes)
  }

  /// Puts `bytes` durably under `path`, replacing what is there.
  static func install(
    _ bytes: [UInt8], at path: String, reserving room: Int, isRoomNeeded: Bool, disk: any Disk
  ) throws(DiskError) -> any DiskFile {
    let temporary = path + ".new"
    let file = try disk.open(temporary, .replace)
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

  private static func name(_ file: any DiskFile, _ path: String, disk: any Disk) throws(DiskError) {
    try file.sync(.segmentBytes)
    try disk.reached(.segmentCreated)
    try disk.rename(file.path, to: path)
    try disk.syncDirectory(RealDisk.parent(of: path), .segmentName)
  }

  /// Recovery on a full disk goes on without the promise; a batch may then meet the full disk itself.
  private static func reserve(_ room: Int, in file: any DiskFile, isNeeded: Bool) throws(DiskError) {
    guard room > 0 else { return }
    do throws(DiskError) { try file.allocate(room) } catch { if isNeeded || !error.isFull { throw error } }
  }
}
