public import Core
public import HTTP
internal import Journal
internal import StorageAPI
internal import Synchronization

/// What the journal, raw and archived, last said about a document.
public enum JournaledDocument: Sendable {
  /// Its attributes as the newest record carries them.
  case attributes(Attributes)
  /// Removed for good.
  case purged(lsn: UInt64)

  public var lsn: UInt64 {
    switch self {
    case .attributes(let attributes): attributes.lsn
    case .purged(let lsn): lsn
    }
  }
}

extension Store {
  /// The newest record of each of `ids` in the history that is kept, by one pass from the newest segment backwards that
  /// ends as soon as all are found; one segment is in memory at a time. Damaged segments are told to `unreadable` and
  /// passed over. Blocks.
  public func journaled(
    _ ids: Set<FileID>, unreadable: (String) -> Void
  ) throws(APIError) -> [FileID: JournaledDocument] {
    guard !ids.isEmpty else { return [:] }
    var found: [FileID: JournaledDocument] = [:]
    var ofSegment: [FileID: JournaledDocument] = [:]
    do throws(JournalError) {
      try inspection().readBackwards { _, record in
        guard let (id, document) = Self.document(record), ids.contains(id), found[id] == nil else { return }
        ofSegment[id] = document
      } isDone: {
        found.merge(ofSegment) { known, _ in known }
        ofSegment = [:]
        return found.count == ids.count
      } unreadable: {
        unreadable($0.description)
      }
    } catch {
      throw APIError(.internalError, "the journal's history cannot be read", cause: error)
    }
    return found
  }

  /// When the oldest history that is kept began; nil when it cannot be read. Reads one segment the first time and after
  /// each pruning. Blocks.
  public var historyBegan: Timestamp? {
    let known = historyStart.withLock { $0 }
    // An unreadable archive is fsck's and `journal verify`'s to tell; a figure has no words for it.
    guard let oldest = try? inspection().oldestNumber() else { return nil }  // see the line above
    if let known, known.segment == oldest { return known.began }
    guard let began = (try? inspection().oldest())?.created else { return nil }  // for the same reason as above
    historyStart.withLock { $0 = (oldest, began) }
    return began
  }

  /// Forgets archived history older than the configured days; nothing without such a setting. Only with a clock that
  /// can be trusted. Blocks.
  public func pruneHistory(now: Timestamp) throws(APIError) {
    guard let days = configuration.archiveDaysMax else { return }
    do throws(JournalError) {
      try archive.prune(before: now - .seconds(days * 86_400))
    } catch {
      throw APIError(.internalError, "the archive cannot be pruned", cause: error)
    }
  }

  func inspection() throws(JournalError) -> JournalInspection {
    try JournalInspection(
      JournalConfiguration(
        directory: configuration.journalDirectory, appliance: storageID, epoch: shared.epoch), disk: disk)
  }

  private static func document(_ record: Record) -> (FileID, JournaledDocument)? {
    guard record.type.rawValue >= RecordType.put.rawValue, let mutation = Mutation(record) else { return nil }
    switch mutation.change {
    case .put(_, _, let bytes), .attributes(_, let bytes):
      // A whole record with attributes that cannot be read is another version's: as good as none.
      guard let attributes = try? Attributes(bytes) else { return nil }  // see the line above
      return (mutation.id, .attributes(attributes))
    case .purge: return (mutation.id, .purged(lsn: record.lsn))
    case .mode, .note: return nil
    }
  }
}
