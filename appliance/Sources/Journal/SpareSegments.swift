public import Disk
internal import Synchronization

/// Files for segments to come, written full of zeros and synced ahead of time: a batch that lands in one changes bytes
/// only, and its sync has no metadata of the file system to commit (decision 0015). A thread of its own keeps them
/// ready; without one the journal makes each segment when it needs it, which is only slower.
///
/// Nothing is told of a spare anywhere: what a process leaves behind is removed by the next one.
public final class SpareSegments: Sendable {
  private let configuration: JournalConfiguration
  private let disk: any Disk
  private let ready = Mutex<(files: [any DiskFile], made: UInt64)>(([], 0))
  /// Told when one was taken; closed at the end.
  public let wake = BoundedQueue<Void>(limit: 1)

  private static let kept = 2
  private static let chunk = [UInt8](repeating: 0, count: 1 << 20)
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

  /// The thread: until `wake` is closed.
  public func run() {
    repeat { while prepare() {} } while wake.take(upTo: 1, timeout: nil) != nil
  }

  /// Makes one more; false when there are enough, or none can be made now.
  @discardableResult
  public func prepare() -> Bool {
    let number = ready.withLock { ready -> UInt64? in
      guard ready.files.count < Self.kept else { return nil }
      ready.made += 1
      return ready.made
    }
    guard let number else { return false }
    let path = "\(configuration.directory)/\(Self.prefix)\(number)"
    do throws(DiskError) {
      let room = try disk.space(configuration.directory).available
      guard room / configuration.segmentBytesMax >= Self.freeSegmentsMin else { return false }
      let file = try disk.open(path, .replace)
      do throws(DiskError) {
        for offset in stride(from: 0, to: configuration.segmentBytesMax, by: Self.chunk.count) {
          let count = min(Self.chunk.count, configuration.segmentBytesMax - offset)
          try file.write(count == Self.chunk.count ? Self.chunk : Array(Self.chunk.prefix(count)), at: offset)
        }
        try file.sync(.spareBytes)
      } catch {
        file.close()
        try disk.unlink(path)
        throw error
      }
      ready.withLock { $0.files.append(file) }
      return true
    } catch {
      // A disk that fails here fails the journal's own writes soon, and there it is told.
      return false
    }
  }

  /// Whether `take` would give one.
  var isReady: Bool { ready.withLock { !$0.files.isEmpty } }

  /// A file full of zeros, durable but for its name, that nobody else has; nil when none is ready.
  func take() -> (any DiskFile)? {
    let file = ready.withLock { $0.files.isEmpty ? nil : $0.files.removeFirst() }
    do throws(BoundedQueue<Void>.Refusal) { try wake.put(()) } catch { /* awake already, or closing */  }
    return file
  }

  /// Removes what is left; after the thread has ended.
  public func close() {
    let files = ready.withLock { ready in
      defer { ready.files = [] }
      return ready.files
    }
    for file in files {
      file.close()
      // What stays is removed by the next start.
      try? disk.unlink(file.path)  // see the line above
    }
  }

  private static let prefix = "spare-"
}
