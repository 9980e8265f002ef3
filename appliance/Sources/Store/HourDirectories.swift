internal import Core
internal import Synchronization

/// Deals the documents of an hour out to directories of a bounded size (decision 0072): the hour's own, then numbered
/// ones below it. Counted in memory: after a start each may get as many again.
final class HourDirectories: Sendable {
  private let documentsMax: Int
  private let state = Mutex<(hour: Int64, count: Int)>((.min, 0))

  init(documentsMax: Int) { self.documentsMax = documentsMax }

  /// The number of the directory for one more document; 0: the hour's own.
  func next(at time: Timestamp) -> Int {
    let hour = time.seconds / 3600
    return state.withLock { state in
      if hour > state.hour { state = (hour, 0) }
      // A straggler of an hour before, or a clock that was put back.
      guard hour == state.hour else { return 0 }
      defer { state.count += 1 }
      return state.count / documentsMax
    }
  }
}
