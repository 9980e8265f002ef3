internal import Disk

/// `reserve` beside the segments: blocks for two of them, which a start gives up when its disk is full. It needs room
/// to copy the active segment, to set a torn tail aside, and for a new segment when that one is used up (decision
/// 0102). Nothing is ever in it, and nothing depends on it but such a start.
struct JournalReserve: Sendable {
  private let path: String
  private let bytes: Int
  private let directory: String
  private let disk: any Disk
  /// It is for disks on which it is little: so many times its size must be free.
  private static let freeMin = 8

  init(_ configuration: JournalConfiguration, disk: any Disk) {
    directory = configuration.directory
    path = "\(directory)/reserve"
    bytes = 2 * configuration.segmentBytesMax
    self.disk = disk
  }

  /// Gives it up; false when there is none.
  func release() throws(DiskError) -> Bool {
    do throws(DiskError) {
      try disk.unlink(path)
      return true
    } catch {
      if error.isMissing { return false }
      throw error
    }
  }

  /// Does `body` once more, with the reserve's room, when it met a full disk.
  func lending<Result>(_ body: () throws(DiskError) -> Result) throws(DiskError) -> Result {
    do throws(DiskError) {
      return try body()
    } catch {
      guard error.isFull, try release() else { throw error }
      return try body()
    }
  }

  /// Makes it, or makes it anew, where there is plenty of room.
  func keep() {
    do throws(DiskError) {
      guard try disk.stat(path) == nil, try disk.space(directory).available / bytes >= Self.freeMin else { return }
      let file = try disk.open(path, .create)
      defer { file.close() }
      do throws(DiskError) {
        try file.allocate(bytes)
      } catch {
        // One without its blocks would only look like one.
        try disk.unlink(path)
      }
    } catch {
      // A disk that fails here fails the journal's own writes soon, and there it is told.
    }
  }
}
