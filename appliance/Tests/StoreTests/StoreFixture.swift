import Core
import Disk
import FoundationEssentials
import HTTP
import StorageAPI
import Store
import Synchronization
import Testing

/// A clock that tests move.
final class TestClock: TimeSource, Sendable {
  private let state = Mutex((time: Timestamp("2026-11-20T14:30:12Z")!, elapsed: Duration.zero))

  /// Threads of the store read it while a test moves it.
  var time: Timestamp {
    get { state.withLock { $0.time } }
    set { state.withLock { $0.time = newValue } }
  }

  func now() -> Timestamp { time }
  func uptime() -> Duration { state.withLock { $0.elapsed } }
  func advance(_ duration: Duration) {
    state.withLock { state in
      state.time = state.time + duration
      state.elapsed += duration
    }
  }
}

/// A store on the real disk in a directory of its own.
final class StoreFixture {
  let root: String
  let clock = TestClock()
  let random = SeededRandom(seed: 7)
  var configuration: StoreConfiguration

  init(mode: ApplianceMode = .edit, threads: Bool = false) throws {
    root = FileManager.default.temporaryDirectory.path + "/artstore-\(UInt64.random(in: 0...(.max)))"
    try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
    configuration = StoreConfiguration(
      dataDirectory: "\(root)/data", journalDirectory: "\(root)/wal", indexDirectory: "\(root)/index",
      initialMode: mode)
    configuration.runsThreads = threads
    try FileManager.default.createDirectory(atPath: "\(root)/data", withIntermediateDirectories: true)
    try FileManager.default.createDirectory(atPath: "\(root)/wal", withIntermediateDirectories: true)
    try FileManager.default.createDirectory(atPath: "\(root)/index", withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: root) }  // a temporary directory

  func open(_ disk: any Disk = RealDisk()) throws -> Store {
    try Store.open(configuration, disk: disk, time: clock, random: random)
  }

  /// The files below the data directory's `name`, sorted.
  func files(_ name: String) throws -> [String] {
    try FileManager.default.subpathsOfDirectory(atPath: "\(root)/data/\(name)").filter {
      var isDirectory = false
      return FileManager.default.fileExists(atPath: "\(root)/data/\(name)/\($0)", isDirectory: &isDirectory)
        && !isDirectory
    }.sorted()
  }
}

extension Store {
  /// Uploads with threads running.
  func upload(_ bytes: [UInt8], as name: String = "report.pdf", id: FileID? = nil, by user: String = "ivanov")
    async throws -> Committed
  {
    var draft = FileDraft(filename: name, uploadedBy: user)
    draft.id = id
    let upload = try beginUpload(draft)
    try await upload.write(bytes)
    return try await upload.finish()
  }

  func bytes(_ id: FileID) throws -> [UInt8] {
    switch try open(id).body {
    case .bytes(let bytes): return bytes
    case .file(let file): return try file.contents(limit: 1 << 30)
    }
  }
}

func pattern(_ count: Int, seed: UInt8 = 1) -> [UInt8] {
  (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ Int(seed)) }
}

/// The contract's code of what `body` throws.
func code(_ body: () async throws -> some Any) async -> ErrorCode? {
  do {
    _ = try await body()
    return nil
  } catch {
    return (error as? APIError)?.code
  }
}
