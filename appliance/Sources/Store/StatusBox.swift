internal import Core
internal import Journal
internal import StorageAPI
internal import Synchronization

/// The committer's state as everyone else sees it.
final class StatusBox: Sendable {
  private let state: Mutex<Committer.Status>

  init(_ status: Committer.Status) { state = Mutex(status) }

  var current: Committer.Status { state.withLock { $0 } }
  var mode: ApplianceMode { state.withLock { $0.mode } }
  var readOnlyReason: String? { state.withLock { $0.readOnlyReason } }
  var checkpointLSN: UInt64 { state.withLock { $0.checkpointLSN } }

  /// Stops all writing for good. The first reason stays.
  func stop(_ reason: String) { state.withLock { $0.readOnlyReason = $0.readOnlyReason ?? reason } }

  func committed(mode: ApplianceMode, lsn: UInt64, checkpoint: UInt64?, at time: Timestamp) {
    state.withLock { state in
      state.mode = mode
      state.lastLSN = lsn
      state.newestChange = max(state.newestChange, time)
      if let checkpoint { state.checkpointLSN = max(state.checkpointLSN, checkpoint) }
    }
  }

  func publish(_ journal: JournalSummary, chainHead: Checksum, sealed: [SealedSegment]) {
    state.withLock { state in
      state.journal = journal
      state.chainHead = chainHead
      state.sealed += sealed
    }
  }

  /// The sealed segments that nobody has archived yet; taken once.
  func takeSealed(through lsn: UInt64) -> [SealedSegment] {
    state.withLock { state in
      let ready = state.sealed.filter { $0.lastLSN <= lsn }
      state.sealed.removeAll { $0.lastLSN <= lsn }
      return ready
    }
  }

  /// Sealed segments that no checkpoint covers.
  var segmentsAfterCheckpoint: Int {
    state.withLock { state in state.sealed.count { $0.lastLSN > state.checkpointLSN } }
  }

  var hasSealed: Bool { state.withLock { !$0.sealed.isEmpty } }

  /// Gives back a segment that could not be archived now: to its place, for a newer one that left before it would be a
  /// gap in the journal after a crash.
  func putBack(_ segment: SealedSegment) {
    state.withLock { state in
      let place = state.sealed.firstIndex { $0.number > segment.number } ?? state.sealed.endIndex
      state.sealed.insert(segment, at: place)
    }
  }
}
