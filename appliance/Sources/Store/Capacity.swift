internal import Core
internal import Disk
internal import HTTP
internal import Synchronization

/// Room for documents: the configured limit, the disk's real free space, what open uploads were promised, and the
/// headroom that uploads never get.
final class Capacity: Sendable {
  private let disk: any Disk
  private let directory: String
  private let limit: Int?
  private let headroomConfigured: Int?
  /// Where else the store writes (journal, index), and the bytes that must stay free there.
  private let others: [String]
  private let floor: Int
  private let time: any TimeSource
  private let state: Mutex<State>
  /// The free space may be this old: uploads are many, statvfs is a system call.
  private static let freshness: Duration = .milliseconds(200)
  /// What a document costs beside its bytes: its attributes' file, two inodes, rounding to blocks.
  static let overheadBytes = 12_288

  private struct State {
    var space: DiskSpace
    var readAt: Duration
    var reserved = 0
    /// Of what is reserved, the bytes that are on the disk already: the free space is without them.
    var staged = 0
    var openUploads = 0
  }

  init(
    disk: any Disk, directory: String, limit: Int?, headroom: Int?, others: [String], segmentBytes: Int,
    time: any TimeSource
  ) throws(DiskError) {
    self.others = others
    floor = segmentBytes
    self.disk = disk
    self.directory = directory
    self.limit = limit
    headroomConfigured = headroom
    self.time = time
    // What was read is of one disk: the first who asks reads them all.
    state = Mutex(State(space: try disk.space(directory), readAt: time.uptime() - Self.freshness))
  }

  struct Figures: Sendable, Hashable {
    var total: Int
    var available: Int
  }

  /// `used`: bytes of all documents. `pending`: acknowledged bytes that are still to be put on the disk.
  func figures(used: Int, pending: Int) -> Figures {
    state.withLock { state in
      refresh(&state)
      return figures(state, used: used, pending: pending)
    }
  }

  /// Promises `count` more bytes; false when they are not there.
  func reserve(_ count: Int, used: Int, pending: Int) -> Bool {
    state.withLock { state in
      refresh(&state)
      guard figures(state, used: used, pending: pending).available >= count else { return false }
      state.reserved += count
      return true
    }
  }

  /// Gives a promise back, `used` bytes of it having become a document: the free space last read does not know of them.
  func release(_ count: Int, used: Int) {
    state.withLock { state in
      state.reserved -= count
      state.space = DiskSpace(total: state.space.total, available: state.space.available - used)
    }
  }

  /// Says that `count` more of the reserved bytes are on the disk (fewer, when negative).
  func stage(_ count: Int) { state.withLock { $0.staged += count } }

  /// As `release`, of a promise of which `staged` bytes are on the disk.
  func release(_ count: Int, staged: Int, used: Int) {
    stage(-staged)
    release(count, used: used)
  }

  /// Takes over a promise of an earlier run, whether there is room or not.
  func adopt(reserved: Int, staged: Int) {
    state.withLock { state in
      state.reserved += reserved
      state.staged += staged
    }
  }

  /// Counts an open upload; false when there are `limit` already.
  func enter(limit: Int) -> Bool {
    state.withLock { state in
      guard state.openUploads < limit else { return false }
      state.openUploads += 1
      return true
    }
  }

  func leave() { state.withLock { $0.openUploads -= 1 } }

  private func refresh(_ state: inout State) {
    let now = time.uptime()
    guard now - state.readAt >= Self.freshness else { return }
    // A failing statvfs keeps the last figure; the writes themselves will meet the disk's state.
    if let space = try? disk.space(directory) { state.space = space }  // see the line above
    for other in others {
      if let space = try? disk.space(other), space.available < floor {  // as two lines above
        state.space = DiskSpace(total: state.space.total, available: 0)
      }
    }
    state.readAt = now
  }

  private func figures(_ state: State, used: Int, pending: Int) -> Figures {
    // Room for the journal's next segment, so that deletes can always be written.
    let headroom = headroomConfigured ?? min(256 << 20, state.space.total / 20) + floor
    let free = state.space.available - headroom - pending - (state.reserved - state.staged)
    let total = min(limit ?? .max, state.space.total)
    let allowed = limit.map { $0 - used - state.reserved } ?? .max
    return Figures(total: total, available: max(0, min(free, allowed)))
  }
}
