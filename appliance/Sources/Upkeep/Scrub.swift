public import Core
internal import Crypto
internal import Disk
internal import HTTP
internal import Reactor
internal import StorageAPI
internal import Store
internal import Synchronization

/// Re-reads every document at a bounded rate and checks its SHA-256. A pass goes on where it was after a restart.
final class Scrub: Sendable {
  private let store: Store
  private let bytesPerSecond: Int
  private let time: any TimeSource
  private let state = Mutex(ScrubStatus())
  private static let batch = 64
  private static let chunk = 1 << 20
  private static let placeKey = "scrub_place"
  private static let passKey = "scrub_pass_started"
  private static let doneKey = "scrub_pass_ended"

  init(_ store: Store, bytesPerSecond: Int, time: any TimeSource) {
    self.store = store
    self.bytesPerSecond = max(1, bytesPerSecond)
    self.time = time
    state.withLock { status in
      status.lastPassEnded = store.remembered(Self.doneKey).map(Timestamp.init(microseconds:))
    }
  }

  var status: ScrubStatus { state.withLock { $0 } }

  func run(on pool: BlockingPool) async throws -> MaintenanceReport {
    var report = MaintenanceReport(startedAt: time.now())
    let started = Timestamp(microseconds: store.remembered(Self.passKey) ?? time.now().microseconds)
    store.remember(Self.passKey, started.microseconds)
    var place = store.remembered(Self.placeKey) ?? 0
    let began = time.uptime()
    var bytes = 0
    while true {
      let after = place
      let documents = try await pool.run { try self.store.documents(after: after, limit: Self.batch) }
      guard let last = documents.last else { break }
      for document in documents where document.isPlaced && document.record.status == .active {
        let issue = try await pool.run { try self.check(document) }
        report.filesChecked += 1
        if let issue { report.add(issue) }
        bytes += document.record.size
        state.withLock { $0.checkedInPass += 1 }
        try await pace(bytes, since: began)
      }
      place = last.sequence
      store.remember(Self.placeKey, place)
    }
    report.completedAt = time.now()
    store.remember(Self.placeKey, 0)
    store.remember(Self.passKey, report.completedAt.microseconds)
    store.remember(Self.doneKey, started.microseconds)
    state.withLock { status in
      status.lastPassEnded = started
      status.checkedInPass = 0
    }
    return report
  }

  /// Sleeps until the bytes read so far fit the rate.
  private func pace(_ bytes: Int, since began: Duration) async throws {
    let due = Duration.milliseconds(Int64(Double(bytes) / Double(bytesPerSecond) * 1000))
    let ahead = due - (time.uptime() - began)
    if ahead > .milliseconds(10) { try await Task.sleep(for: ahead) } else { try Task.checkCancellation() }
  }

  private func read(_ path: String) throws(DiskError) -> Checksum {
    let file = try store.disk.open(store.absolute(path), .read)
    defer { file.close() }
    var digest = SHA256()
    var offset = 0
    while true {
      let bytes = try file.read(at: offset, count: Self.chunk)
      if bytes.isEmpty { return digest.finish() }
      digest.update(bytes)
      offset += bytes.count
    }
  }

  private func check(_ document: IndexedDocument) throws -> MaintenanceReport.Issue? {
    let id = document.record.fileID
    let checksum: Checksum
    do throws(DiskError) {
      checksum = try read(document.path)
    } catch {
      // Removed meanwhile is no finding; anything else is reconcile's to tell.
      if error.isMissing { return nil }
      throw error
    }
    if checksum == document.record.checksum {
      if store.damaged[id] == MaintenanceReport.IssueType.checksumMismatch.rawValue { try store.mark(id, nil) }
      return nil
    }
    guard let again = try store.document(id), again.path == document.path else { return nil }
    try store.mark(id, MaintenanceReport.IssueType.checksumMismatch.rawValue)
    return .init(
      fileID: id, path: document.path, type: .checksumMismatch,
      description: "the bytes are not those that were uploaded; it is not served: restore it from a backup")
  }
}

/// How far documents have been re-read.
public struct ScrubStatus: Sendable, Hashable {
  /// Documents of the present pass.
  public var checkedInPass = 0
  /// When the last whole pass began: no document was checked earlier than this. Nil before the first.
  public var lastPassEnded: Timestamp?

  public init() {}
}
