public import Core
internal import Crypto
internal import Disk
internal import HTTP
internal import Reactor
internal import StorageAPI
internal import Store
internal import Synchronization

/// Re-reads every document from the device at a bounded rate and checks its SHA-256. A pass goes on where it was after
/// a restart, a pause, or a run that used up its time.
final class Scrub: Sendable {
  private let store: Store
  private let places: UpkeepPlaces
  private let window: Duration
  private let time: any TimeSource
  private static let batch = 64
  private static let chunk = 1 << 20

  /// `window`: documents read within it count as verified.
  init(_ store: Store, places: UpkeepPlaces, window: Duration, time: any TimeSource) {
    self.store = store
    self.places = places
    self.window = window
    self.time = time
  }

  /// The figures of now. Reads one row at most.
  var status: ScrubStatus {
    let content = places.content
    let now = time.now()
    let total = store.summary.counts[.active]?.files ?? 0
    let verified = min(total, content.verified.files(since: now - window))
    var status = ScrubStatus()
    status.windowDays = Int(window.inSeconds / 86_400)
    status.verifiedRatio = total == 0 ? 1 : Double(verified) / Double(total)
    status.lastPassEnded = content.scrubEnded
    status.isUnderway = content.scrub != nil
    // What was never read again was last known to be sound when it was uploaded. While the index is being rebuilt
    // nobody can say.
    let unread = (try? store.documents(after: content.verified.through, limit: 1))?.first  // see the line above
    let since = [total == 0 ? nil : content.verified.oldest, unread?.record.uploadedAt].compactMap { $0 }.min()
    status.oldest = since.map { max(.zero, now.since($0)) } ?? .zero
    return status
  }

  func run(on pool: BlockingPool, _ pace: Pace) async throws -> MaintenanceReport {
    var pace = pace
    var report = MaintenanceReport(startedAt: time.now())
    var place = places.content.scrub ?? UpkeepPlaces.Place(began: report.startedAt)
    do {
      while true {
        let after = place.sequence
        let documents = try await pool.run { try self.store.documents(after: after, limit: Self.batch) }
        guard let last = documents.last else { break }
        for document in documents where document.isPlaced && document.record.status == .active {
          let issue = try await pool.run { try self.check(document) }
          report.filesChecked += 1
          if let issue {
            report.add(issue)
            try await store.note("checksum_mismatch: \(document.path)", by: Actor("scrub"))
          }
          try await pace.spend(bytes: document.record.size, items: 1)
        }
        place.sequence = last.sequence
        note(place, after: after, documents)
      }
    } catch {
      places.update(saving: true) { _ in }
      throw error
    }
    report.completedAt = time.now()
    places.update(saving: true) { content in
      content.scrub = nil
      content.scrubEnded = report.completedAt
    }
    return report
  }

  private func note(_ place: UpkeepPlaces.Place, after: Int64, _ documents: [IndexedDocument]) {
    let now = time.now()
    let files = documents.count { $0.isPlaced && $0.record.status == .active }
    places.update { content in
      content.scrub = place
      content.verified.add(after: after, through: place.sequence, files: files, at: now)
    }
  }

  private func read(_ path: String) throws(DiskError) -> Checksum {
    let file = try store.disk.open(store.absolute(path), .read)
    defer { file.close() }
    // What the page cache holds says nothing about the device.
    file.dropCache()
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
    var checksum: Checksum?
    var fault = "the bytes are not those that were uploaded"
    do throws(DiskError) {
      checksum = try read(document.path)
    } catch {
      // Removed meanwhile is no finding, missing without that is reconcile's to tell. A document that the device does
      // not give back must not stop the pass: the others are still to be read.
      if error.isMissing { return nil }
      fault = "the bytes cannot be read (\(error))"
    }
    if checksum == document.record.checksum {
      if store.damaged[id] == MaintenanceReport.IssueType.checksumMismatch.rawValue { try store.mark(id, nil) }
      return nil
    }
    guard let again = try store.document(id), again.path == document.path else { return nil }
    try store.mark(id, MaintenanceReport.IssueType.checksumMismatch.rawValue)
    return .init(
      fileID: id, path: document.path, type: .checksumMismatch,
      description: "\(fault); it is not served: restore it from a backup")
  }
}

/// How far documents have been re-read.
public struct ScrubStatus: Sendable, Hashable {
  /// Share of the active documents that were read within the last `windowDays`; 1 in an empty store.
  public var verifiedRatio = 1.0
  public var windowDays = 0
  /// How long ago the document was read, or uploaded, that waits longest.
  public var oldest: Duration = .zero
  /// When the last whole pass ended; nil before the first.
  public var lastPassEnded: Timestamp?
  /// A pass has begun and not ended.
  public var isUnderway = false

  public init() {}
}
