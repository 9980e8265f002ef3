public import Disk
internal import Synchronization

/// Files for segments to come, written full of zeros and synced ahead of time: a batch that lands in one changes bytes
/// only, and its sync has no metadata of the file system to commit (decision 0015). The next segment's file also has
/// its name already, durably, so that the change of segments waits for no metadata either (decision 0071). A thread of
/// its own keeps them ready; without one the journal makes each segment when it needs it, which is only slower.
///
/// Nothing is told of a spare anywhere: what a process leaves behind is removed by the next one, or was not begun
/// (`JournalRecovery.segments`).
public final class SpareSegments: Sendable {
  private struct State {
    var files: [any DiskFile] = []
    var made: UInt64 = 0
    /// The segment to come.
    var wanted: UInt64?
    /// A sync of the directory failed.
    var failure: DiskError?
    /// Full of zeros, under the name of the segment to come.
    var named: (number: UInt64, file: any DiskFile)?

    var count: Int { files.count + (named == nil ? 0 : 1) }
  }

  private let configuration: JournalConfiguration
  private let disk: any Disk
  private let state = Mutex(State())
  /// Told when one was taken; closed at the end.
  public let wake = BoundedQueue<Void>(limit: 1)

  private static let kept = 2
  /// Spares are for disks on which they are little: this many segments must be free.
  private static let freeSegmentsMin = 32

  public init(_ configuration: JournalConfiguration, disk: any Disk) {
    self.configuration = configuration
    self.disk = disk
  }

  /// Removes what an earlier process left.
  public func removeOld() throws(DiskError) {
    for entry in try disk.list(configuration.directory) where entry.name.hasPrefix(Self.prefix) {
      try disk.unlink("\(configuration.directory)/\(entry.name)")
    }
  }

  /// The thread: until `wake` is closed. `failed` hears of a failed sync of the directory.
  public func run(failed: (DiskError) -> Void) {
    repeat {
      keepReserve()
      while prepare() {}
      if let failure { failed(failure) }
      // Also without being told: where there was no room there may be some.
    } while wake.take(upTo: 1, timeout: .seconds(10)) != nil
  }

  /// The start's reserve, when it was given up or never made.
  public func keepReserve() { JournalReserve(configuration, disk: disk).keep() }

  /// A sync of the journal's directory failed: final, as any is. What others had changed in it may have been dropped,
  /// and their own next sync would not tell.
  public var failure: DiskError? { state.withLock { $0.failure } }

  /// Names or makes one more; false when there are enough, or none can be made now.
  @discardableResult
  public func prepare() -> Bool {
    if nameNext() { return true }
    let number = state.withLock { state -> UInt64? in
      guard state.count < Self.kept else { return nil }
      state.made += 1
      return state.made
    }
    guard let number else { return false }
    let path = "\(configuration.directory)/\(Self.prefix)\(number)"
    do throws(DiskError) {
      let room = try disk.space(configuration.directory).available
      guard room / configuration.segmentBytesMax >= Self.freeSegmentsMin else { return false }
      let file = try disk.open(path, .replace)
      do throws(DiskError) {
        try file.fillZeros(configuration.segmentBytesMax)
        try file.sync(.spareBytes)
      } catch {
        file.close()
        try disk.unlink(path)
        throw error
      }
      state.withLock { $0.files.append(file) }
      return true
    } catch {
      // A disk that fails here fails the journal's own writes soon, and there it is told.
      return false
    }
  }

  /// Gives a file the name of the segment to come. The journal, if it needs that segment now, waits for the end of it:
  /// two must never fight for one name.
  private func nameNext() -> Bool {
    state.withLock { state in
      guard let number = state.wanted, state.named == nil, !state.files.isEmpty else { return false }
      let file = state.files.removeFirst()
      do throws(DiskError) {
        try disk.rename(file.path, to: configuration.segmentPath(number))
        try disk.syncDirectory(configuration.directory, .spareName)
      } catch {
        // It is not used; the journal makes its own, over this one's name if it has got it, and meets the disk itself.
        file.close()
        state.wanted = nil
        if error.isFailedSync { state.failure = error }
        return false
      }
      state.named = (number, file)
      return true
    }
  }

  /// Whether `take` would give one.
  var isReady: Bool { state.withLock { $0.named != nil } }

  /// Tells the number of the next segment.
  func want(_ number: UInt64) {
    state.withLock { $0.wanted = number }
    do throws(BoundedQueue<Void>.Refusal) { try wake.put(()) } catch { /* awake already, or closing */  }
  }

  /// The file of segment `number`: full of zeros, durable with its name; nil when it is not ready, and then it never
  /// will be.
  func take(_ number: UInt64) -> (any DiskFile)? {
    state.withLock { state in
      state.wanted = nil
      guard let named = state.named, named.number == number else { return nil }
      state.named = nil
      return named.file
    }
  }

  /// Removes what is left; after the thread has ended.
  public func close() {
    let (files, named) = state.withLock { state in
      defer { state = State() }
      return (state.files, state.named)
    }
    let left = files.map { ($0, $0.path) } + (named.map { [($0.file, configuration.segmentPath($0.number))] } ?? [])
    for (file, path) in left {
      file.close()
      // What stays is removed by the next start, or is a segment that was not begun.
      try? disk.unlink(path)  // see the line above
    }
  }

  private static let prefix = "spare-"
}
